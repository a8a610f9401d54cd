//! Why a case does not count, case by case.

use super::*;

/// A case after a change, and what must keep it from counting.
fn check(expected: Option<&str>, change: impl FnOnce(&mut Case, &mut CaseReport)) {
    let case = changed(change);
    let found = hindrance(&assess(&case), &case);
    assert_eq!(found.map(Hindrance::as_str), expected, "{case:?}");
}

#[test]
fn an_attributed_case_has_no_hindrance_and_a_confirmed_one_lacks_its_origin() {
    check(None, |_, _| {});
    check(Some("origin-basis"), |_, r| r.route = None);
}

#[test]
fn retraction_comes_before_dispute_and_dispute_before_contest_and_all_before_rules() {
    let dispute = |end_position| CaseDispute {
        position: 3,
        end_position,
        ..CaseDispute::default()
    };
    let all = |c: &mut Case| {
        c.retracted = true;
        c.disputes = vec![dispute(7), dispute(0)];
        c.contested_origins = vec![OriginClaim::default()];
    };
    check(Some("retracted"), |c, r| {
        all(c);
        r.incident_date = None;
    });
    check(Some("disputed"), |c, r| {
        all(c);
        c.retracted = false;
        r.incident_date = None;
    });
    check(Some("contested"), |c, r| {
        all(c);
        c.retracted = false;
        c.disputes.truncate(1);
        r.incident_date = None;
    });
    check(None, |c, _| c.disputes.push(dispute(7)));
}

#[test]
fn a_rule_of_the_case_comes_before_those_of_its_items() {
    check(Some("incident-date"), |_, r| {
        r.incident_date = None;
        r.place = None;
        r.items[0].findings.clear();
    });
    check(Some("incident-country"), |_, r| {
        r.place = None;
        r.evidence.clear();
    });
    check(Some("incident-record"), |_, r| {
        r.evidence.remove(0);
    });
}

#[test]
fn of_several_items_the_one_nearest_to_being_confirmed_tells_what_is_missing() {
    let bare = |substance| {
        let mut bare = item(substance, "powder", "1");
        bare.findings.clear();
        bare
    };
    let unreported = |substance| {
        let mut unreported = item(substance, "powder", "1");
        unreported.findings[0].evidence_ids.clear();
        unreported
    };
    check(Some("laboratory-finding"), |_, r| {
        r.items = vec![bare("fentanyl"), bare("carfentanil")];
    });
    for reversed in [false, true] {
        check(Some("laboratory-report"), |_, r| {
            r.items = vec![bare("fentanyl"), unreported("carfentanil"), bare("heroin")];
            if reversed {
                r.items.reverse();
            }
        });
    }
    check(Some("equipment-examination"), |_, r| {
        r.items = vec![unreported("fentanyl"), press()];
    });
    check(Some("laboratory-techniques"), |_, r| {
        r.items = vec![bare("fentanyl"), item("carfentanil", "powder", "1")];
        r.items[1].findings[0].techniques.clear();
    });
}

#[test]
fn goods_of_no_known_kind_lack_the_first_rule_of_goods() {
    check(Some("laboratory-finding"), |_, r| {
        r.items = vec![Item::default()];
    });
    check(Some("laboratory-finding"), |_, r| r.items.clear());
}

#[test]
fn every_hindrance_has_a_word_of_its_own_and_a_sentence() {
    let all: Vec<_> = Hindrance::all().collect();
    assert_eq!(all.len(), 3 + rules(NEWEST).unwrap().len());
    assert!(all.is_sorted());
    for hindrance in all {
        assert_eq!(Hindrance::find(hindrance.as_str()), Some(hindrance));
        let sentence = hindrance.sentence();
        assert!(sentence.ends_with('.') && sentence.len() > 20, "{sentence}");
    }
    assert_eq!(Hindrance::find("Retracted"), None);
    assert_eq!(Hindrance::find(""), None);
}
