//! Rules of a report: codes, identifiers, quantities, addresses.

use super::{edit::*, *};

#[test]
fn countries_and_subdivisions_are_those_of_iso() {
    all_refused(&[
        ("place.country", "did you mean GB", |r| {
            *place(r) = Place {
                country: "UK".into(),
                ..Place::default()
            }
        }),
        ("place.country", "not an assigned", |r| {
            *place(r) = Place {
                country: "XK".into(),
                ..Place::default()
            }
        }),
        ("place.country", "did you mean US", |r| {
            *place(r) = Place {
                country: "USA".into(),
                ..Place::default()
            }
        }),
        ("place.subdivision", "did you mean CA-BC", |r| {
            place(r).subdivision = "BC".into()
        }),
        ("place.subdivision", "does not lie in", |r| {
            place(r).subdivision = "US-TX".into()
        }),
        ("route.origin.country", "did you mean CN", |r| {
            origin(r).country = "cn".into()
        }),
        ("route.origin.subdivision", "not an ISO 3166-2", |r| {
            origin(r).subdivision = "CN-99".into()
        }),
        ("route.departure.country", "not an assigned", |r| {
            r.route.as_mut().unwrap().departure = Some(location("ZZ"))
        }),
        ("route.transit[0].country", "not an assigned", |r| {
            r.route.as_mut().unwrap().transit[0] = location("ZZ")
        }),
        ("route.destination.country", "not an assigned", |r| {
            r.route.as_mut().unwrap().destination = Some(location("ZZ"))
        }),
        ("organizations[0].country", "did you mean CN", |r| {
            r.organizations[0].country = "China".into()
        }),
    ]);
    all_accepted(&[
        |r| origin(r).subdivision = "CN-HB".into(),
        |r| r.organizations[0].country.clear(),
    ]);
}

#[test]
fn substances_are_named_in_known_forms() {
    all_refused(&[
        (
            "items[0].substance.catalogue_id",
            "did you mean carfentanil",
            |r| substance(r).catalogue_id = "carfentanyl".into(),
        ),
        ("items[0].substance.catalogue_id", "leave it out", |r| {
            substance(r).catalogue_id = "printer-ink".into()
        }),
        ("items[0].substance.cas_number", "where 0 follows", |r| {
            substance(r).cas_number = "59708-52-1".into()
        }),
        ("items[0].substance.cas_number", "2 to 7 digits", |r| {
            substance(r).cas_number = "59708520".into()
        }),
        ("items[0].substance.inchikey", "14 upper-case", |r| {
            substance(r).inchikey = "YDSDEBIZUNNPOB".into()
        }),
        ("items[0].precursor.cas_number", "2 to 7 digits", |r| {
            r.items[0].goods = Some(item::Goods::Precursor(SubstanceIdentity {
                cas_number: "x".into(),
                ..SubstanceIdentity::default()
            }));
        }),
        (
            "items[0].findings[0].substance.inchikey",
            "14 upper-case",
            |r| lab(r).substance.as_mut().unwrap().inchikey = "x".into(),
        ),
    ]);
    let one: [fn(&mut SubstanceIdentity); 4] = [
        |s| s.catalogue_id = "fentanyl".into(),
        |s| s.name = "something new".into(),
        |s| s.cas_number = "437-38-7".into(),
        |s| s.inchikey = "YDSDEBIZUNNPOB-UHFFFAOYSA-N".into(),
    ];
    for set in one {
        accepts(|r| {
            *substance(r) = SubstanceIdentity::default();
            set(substance(r));
        });
    }
}

#[test]
fn quantities_and_purities_are_plain_decimals_in_range() {
    all_refused(&[
        ("items[0].quantity.value", "at most one `.`", |r| {
            set_amount(r, "-1", Unit::Gram)
        }),
        ("items[0].quantity.value", "at most one `.`", |r| {
            set_amount(r, "1e3", Unit::Gram)
        }),
        ("items[0].quantity.value", "whole number", |r| {
            set_amount(r, "1.5", Unit::Tablet)
        }),
        ("items[0].quantity.value", "too large", |r| {
            set_amount(r, "999999999999", Unit::MetricTon)
        }),
        ("items[0].quantity.normalized", "1200000000", |r| {
            quantity(r).normalized = Some(1_200_000)
        }),
        ("items[0].quantity.normalized", "is 0", |r| {
            quantity(r).normalized = Some(0)
        }),
        ("items[0].purity_percent", "over 0", |r| {
            r.items[0].purity_percent = "0".into()
        }),
        ("items[0].purity_percent", "at most 100", |r| {
            r.items[0].purity_percent = "100.000000001".into()
        }),
        ("items[0].purity_percent", "percent sign", |r| {
            r.items[0].purity_percent = "5%".into()
        }),
        ("items[0].findings[0].purity_percent", "over 0", |r| {
            lab(r).purity_percent = "0.0".into()
        }),
    ]);
    all_accepted(&[
        |r| set_amount(r, "0", Unit::Gram),
        |r| set_amount(r, "30000", Unit::Tablet),
        |r| r.items[0].quantity = None,
        |r| r.items[0].purity_percent = "100".into(),
        |r| r.items[0].purity_percent = "0.000000001".into(),
        |r| r.items[0].purity_percent.clear(),
    ]);
    let both = refused(|r| {
        *quantity(r) = Quantity {
            value: "x".into(),
            unit: 99,
            ..Quantity::default()
        }
    });
    assert_eq!(both.len(), 2, "{both:#?}");
}

#[test]
fn media_types_and_addresses_have_their_form() {
    for bad in [
        "pdf",
        "application/",
        "/pdf",
        "application/pdf; charset=x",
        "a/b/c",
        "é/b",
        ".a/b",
        " a/b",
    ] {
        refuses("evidence[0].media_type", "media type", |r| {
            r.evidence[0].media_type = bad.into()
        });
    }
    refuses("evidence[0].media_type", "media type", |r| {
        r.evidence[0].media_type = format!("a/{}", "b".repeat(128))
    });
    for good in [
        "",
        "image/svg+xml",
        "application/vnd.ms-excel.sheet.12",
        "Text/Plain",
    ] {
        accepts(|r| r.evidence[0].media_type = good.into());
    }
    for bad in [
        "example.org",
        "ftp://example.org",
        "https://",
        "https:///a",
        "https://:80/",
        "https://a b",
        "https://user@example.org/",
        "https://example.org/é",
        "https://example.org/%zz",
        "https://example.org/%a",
        "javascript:alert(1)",
        "https://a\n",
    ] {
        refuses("sources[0].uri", "http", |r| r.sources[0].uri = bad.into());
    }
    refuses("sources[0].uri", "at most 2000", |r| {
        r.sources[0].uri = format!("https://example.org/{}", "a".repeat(2_000))
    });
    for good in [
        "",
        "http://example.org",
        "https://[2001:db8::1]:8443/x?y=%C3%A9#z",
        "https://example.org/a@b",
    ] {
        accepts(|r| r.sources[0].uri = good.into());
    }
}

#[test]
fn case_names_have_their_form() {
    for bad in [
        "us-dea/1",
        "agencies/us-dea",
        "agencies/us-dea/cases/",
        "agencies/US/cases/1",
        "agencies/a/cases/b/c",
        "agencies//cases/b",
        "agencies/a/cases/b ",
    ] {
        refuses("name", "agencies/{agency}/cases/{case}", |r| {
            r.name = bad.into()
        });
    }
}

#[test]
fn digests_have_the_length_of_their_algorithm() {
    for (algorithm, length) in [
        (DigestAlgorithm::Sha256, 32),
        (DigestAlgorithm::Sha384, 48),
        (DigestAlgorithm::Sha512, 64),
    ] {
        let digest = |n| {
            Some(Digest {
                algorithm: algorithm.into(),
                value: vec![1; n],
            })
        };
        accepts(|r| r.evidence[0].digest = digest(length));
        for wrong in [length - 1, length + 1] {
            refuses("evidence[0].digest.value", &format!("has {length}"), |r| {
                r.evidence[0].digest = digest(wrong)
            });
        }
    }
}
