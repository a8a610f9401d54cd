use super::*;
use crate::{
    google::r#type::Date,
    v1::{
        Amendment, CaseEvidenceRequest, Corroboration, Digest, DigestAlgorithm, EvidenceAnswer,
        EvidenceResponse, Finding, ItemFinding, LateFinding, Place, Quantity, Report,
        SubstanceIdentity, Unit,
    },
};

const CASE: &str = "agencies/us-dea/cases/1";

fn owner() -> AgencyName {
    AgencyName::from_id("us-dea").unwrap()
}

fn statement(kind: Kind) -> Statement {
    Statement {
        case: CASE.into(),
        kind: Some(kind),
        ..Default::default()
    }
}

fn evidence(id: &str, byte: u8) -> EvidenceReference {
    EvidenceReference {
        id: id.into(),
        digest: Some(Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value: vec![byte; 32],
        }),
        ..Default::default()
    }
}

fn identifier(kind: IdentifierKind, value: &str, issuer: &str) -> Identifier {
    Identifier {
        kind: kind.into(),
        value: value.into(),
        issuer: issuer.into(),
    }
}

fn tracked(value: &str) -> CaseReport {
    CaseReport {
        identifiers: vec![identifier(IdentifierKind::TrackingNumber, value, "")],
        ..Default::default()
    }
}

fn laboratory(name: &str, number: &str) -> LaboratoryFinding {
    LaboratoryFinding {
        laboratory: name.into(),
        report_number: number.into(),
        ..Default::default()
    }
}

fn seized(day: i32, place: (&str, &str, &str), substance: &str, kilograms: &str) -> CaseReport {
    let (country, subdivision, locality) = place;
    CaseReport {
        incident_date: Some(Date {
            year: 2016,
            month: 6,
            day,
        }),
        place: Some(Place {
            country: country.into(),
            subdivision: subdivision.into(),
            locality: locality.into(),
            ..Default::default()
        }),
        items: vec![Item {
            goods: Some(Goods::Substance(SubstanceIdentity {
                name: substance.into(),
                ..Default::default()
            })),
            quantity: Some(Quantity {
                value: kilograms.into(),
                unit: Unit::Kilogram.into(),
                ..Default::default()
            }),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Whether two reports have a key in common; equal keys must be of equal marks.
fn share(a: &CaseReport, b: &CaseReport) -> bool {
    let (a, b) = (of_report(a), of_report(b));
    let mut shared = false;
    for x in &a {
        for y in &b {
            assert_eq!(x.key() == y.key(), x.is_same(y));
            shared |= x.is_same(y);
        }
    }
    shared
}

#[test]
fn a_tracking_number_is_the_same_however_it_is_written() {
    let written = tracked("CP 123-456 789 CN");
    for same in [
        "cp123456789cn",
        " CP123456789CN ",
        "ＣＰ１２３４５６７８９ＣＮ",
        "CP.123‐456–789/CN",
    ] {
        assert!(share(&written, &tracked(same)), "{same}");
    }
    for other in ["CP123456780CN", "CP123456789", ""] {
        assert!(!share(&written, &tracked(other)), "{other}");
    }
    let marks = of_report(&written);
    assert_eq!(marks[0].shown, "CP 123-456 789 CN");
}

#[test]
fn what_is_no_number_joins_nothing() {
    for value in ["n/a", "unknown", "not known", "1", "12-34", "-"] {
        assert!(of_report(&tracked(value)).is_empty(), "{value}");
    }
    let kind = IdentifierKind::LaboratoryReportNumber;
    assert!(of_identifier(&identifier(kind, "pending", "Laboratory")).is_none());
    for kind in [IdentifierKind::DocketNumber, IdentifierKind::VendorHandle] {
        assert!(of_identifier(&identifier(kind, "1:23-cr-00456", "")).is_none());
    }
}

#[test]
fn a_report_number_counts_within_its_laboratory() {
    let number = |laboratory: &str, number: &str| report_number(laboratory, number).unwrap();
    let written = number("Drug Analysis Service", "2016/0042-A");
    assert!(written.is_same(&number("drug analysis  service", "2016 0042 a")));
    assert!(!written.is_same(&number("Another laboratory", "2016/0042-A")));
    assert!(!written.is_same(&number("Drug Analysis Service", "2016/0043-A")));
    // As an identifier of the report and as that of a finding.
    let kind = IdentifierKind::LaboratoryReportNumber;
    let identifier = identifier(kind, "2016-0042A", "DRUG ANALYSIS SERVICE");
    assert!(written.is_same(&of_identifier(&identifier).unwrap()));
    assert!(written.is_same(
        &of_laboratory_finding(&laboratory("Drug analysis service", "20160042a")).unwrap()
    ));
}

#[test]
fn one_number_is_another_thing_as_a_tracking_number() {
    let tracking = IdentifierKind::TrackingNumber;
    let report = IdentifierKind::LaboratoryReportNumber;
    let [a, b] = [tracking, report].map(|kind| of_identifier(&identifier(kind, "20160042", "")));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(!a.is_same(&b));
    assert_ne!(a.key().bytes, b.key().bytes);
}

#[test]
fn a_digest_counts_under_its_algorithm_alone() {
    let mut other = evidence("a", 7);
    let sha256 = of_evidence(&other).unwrap();
    assert_eq!(sha256.shown, "07".repeat(32));
    assert!(sha256.is_same(&of_evidence(&evidence("b", 7)).unwrap()));
    other.digest.as_mut().unwrap().algorithm = DigestAlgorithm::Sha512.into();
    assert!(!sha256.is_same(&of_evidence(&other).unwrap()));
    assert!(of_evidence(&EvidenceReference::default()).is_none());
}

#[test]
fn circumstances_are_day_place_substance_and_quantity_together() {
    let vancouver = ("CA", "CA-BC", "Vancouver");
    let seizure = seized(27, vancouver, "carfentanil", "1");
    for (why, same) in [
        ("quantity", seized(27, vancouver, "Carfentanil", "1.000")),
        (
            "subdivision",
            seized(27, ("CA", "CA-BC", ""), "carfentanil", "1"),
        ),
        (
            "locality",
            seized(27, ("CA", "", "VANCOUVER"), "carfentanil", "1"),
        ),
    ] {
        assert!(share(&seizure, &same), "{why}");
    }
    for (why, other) in [
        ("day", seized(28, vancouver, "carfentanil", "1")),
        ("no day", seized(0, vancouver, "carfentanil", "1")),
        (
            "place",
            seized(27, ("CA", "CA-ON", "Toronto"), "carfentanil", "1"),
        ),
        (
            "only the country",
            seized(27, ("CA", "", ""), "carfentanil", "1"),
        ),
        ("substance", seized(27, vancouver, "fentanyl", "1")),
        ("quantity", seized(27, vancouver, "carfentanil", "1.1")),
    ] {
        assert!(!share(&seizure, &other), "{why}");
    }
    let nowhere = seized(27, ("CA", "", ""), "carfentanil", "1");
    assert!(of_report(&nowhere).is_empty(), "a country is too wide");
    let mut pieces = seizure.clone();
    pieces.items[0].quantity.as_mut().unwrap().unit = Unit::Piece.into();
    assert!(!share(&seizure, &pieces));
    let shown = &of_report(&seizure)[0].shown;
    assert_eq!(
        shown,
        "2016-06-27, Vancouver, CA-BC: Carfentanil, 1 kilogram"
    );
}

#[test]
fn a_substance_is_the_same_by_name_number_or_id() {
    let vancouver = ("CA", "CA-BC", "");
    let by_name = seized(27, vancouver, "carfentanil", "1");
    let as_said = |substance: SubstanceIdentity| {
        let mut report = by_name.clone();
        report.items[0].goods = Some(Goods::Precursor(substance));
        report
    };
    assert!(share(
        &by_name,
        &as_said(SubstanceIdentity {
            cas_number: "59708-52-0".into(),
            name: "white powder".into(),
            ..Default::default()
        })
    ));
    assert!(share(
        &by_name,
        &as_said(SubstanceIdentity {
            catalogue_id: "carfentanil".into(),
            ..Default::default()
        })
    ));
    let unknown = |name: &str| seized(27, vancouver, name, "1");
    assert!(share(&unknown("Blue  powder"), &unknown("blue powder")));
    assert!(!share(&unknown("3-X powder"), &unknown("3'-X powder")));
}

#[test]
fn a_finding_brings_its_number_and_evidence_until_it_is_detached() {
    let found = |item, number: &str, evidence: &str| ItemFinding {
        item,
        finding: Some(LaboratoryFinding {
            evidence_ids: vec![evidence.into()],
            ..laboratory("Laboratory", number)
        }),
    };
    let finding = Finding {
        findings: vec![found(1, "R-1", "one"), found(2, "R-2", "two")],
        evidence: vec![evidence("one", 1), evidence("two", 2), evidence("cover", 3)],
        ..Default::default()
    };
    let late = |n: usize, detached| LateFinding {
        finding: finding.findings[n].finding.clone(),
        evidence: vec![finding.evidence[n].clone()],
        detached,
        ..Default::default()
    };
    let shown = |marks: Vec<Mark>| -> Vec<String> {
        let marks = marks.into_iter();
        marks.map(|m| m.shown.chars().take(3).collect()).collect()
    };
    let case = Case {
        late_findings: vec![late(0, true), late(1, false)],
        ..Default::default()
    };
    assert_eq!(shown(of_case(&case)), ["020", "R-2"]);
    let laboratory = AgencyName::from_id("ca-lab").unwrap();
    let said = marks(&laboratory, &statement(Kind::Finding(finding)));
    assert_eq!(
        shown(said),
        ["010", "R-1", "020", "R-2"],
        "whoever makes it"
    );
}

#[test]
fn a_case_has_what_its_owner_answered_and_not_what_others_did() {
    let request = |addressee: &str, byte| CaseEvidenceRequest {
        addressee: addressee.into(),
        answers: vec![EvidenceAnswer {
            evidence: vec![evidence("a", byte)],
            ..Default::default()
        }],
        ..Default::default()
    };
    let case = Case {
        owner: "agencies/us-dea".into(),
        report: Some(tracked("CP123456789CN")),
        evidence_requests: vec![request("agencies/us-dea", 1), request("agencies/us-cbp", 2)],
        ..Default::default()
    };
    let marks = of_case(&case);
    assert_eq!(marks.len(), 2);
    assert_eq!(marks[1].shown, "01".repeat(32));
}

#[test]
fn what_others_add_is_not_of_the_case() {
    let other = AgencyName::from_id("us-deas").unwrap();
    let answer = statement(Kind::EvidenceResponse(EvidenceResponse {
        evidence: vec![evidence("a", 1)],
        ..Default::default()
    }));
    assert_eq!(keys(&owner(), &answer).len(), 1);
    assert!(keys(&other, &answer).is_empty());
    let corroboration = statement(Kind::Corroboration(Corroboration {
        evidence: vec![evidence("a", 1)],
        ..Default::default()
    }));
    assert!(keys(&other, &corroboration).is_empty());
}

#[test]
fn a_report_and_an_amendment_bring_the_same() {
    let report = Some(tracked("CP123456789CN"));
    let first = statement(Kind::Report(Report {
        report: report.clone(),
    }));
    let second = statement(Kind::Amendment(Amendment {
        report,
        ..Default::default()
    }));
    assert_eq!(keys(&owner(), &first).len(), 1);
    assert_eq!(keys(&owner(), &first), keys(&owner(), &second));
}

#[test]
fn each_mark_counts_once_and_their_number_is_limited() {
    let mut report = CaseReport {
        evidence: vec![evidence("a", 1), evidence("b", 1)],
        ..tracked("CP123456789CN")
    };
    report.identifiers.push(report.identifiers[0].clone());
    let of_statement = |report: &CaseReport| {
        let report = Some(report.clone());
        marks(&owner(), &statement(Kind::Report(Report { report })))
    };
    assert_eq!(of_statement(&report).len(), 2);
    let findings = (0..2_000).map(|n| laboratory("Laboratory", &format!("R-{n}")));
    report.items = vec![Item {
        findings: findings.collect(),
        ..Default::default()
    }];
    let marks = of_statement(&report);
    assert_eq!(marks.len(), MAX_MARKS);
    assert_eq!(marks[0].basis, OverlapBasis::EvidenceDigest);
    let case = Case {
        report: Some(report),
        ..Default::default()
    };
    assert_eq!(of_case(&case), marks);
}

#[test]
fn keys_stay_what_they_are() {
    // SHA-256 over the domain, the basis, and the parts with their lengths. Another value would part the stores that hold it
    // from those that are built anew.
    let key = of_evidence(&evidence("a", 1)).unwrap().key();
    assert_eq!(
        forms::hex(&key.bytes),
        "96cf6baa0bfbd77bc67d38227563a006a664cf640b49ac3cbe8ad51b1c00b27c"
    );
}
