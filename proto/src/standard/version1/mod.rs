//! Version 1 of the standard: the table of its rules, and what follows from them.

mod denials;
mod finding;
mod goods;
mod incident;
mod origin;
mod techniques;
mod words;

use super::{Counted, CountedSubstance, Rule, Scope};
use crate::{
    catalogue::identity::{Resolution, name_of},
    v1::{Assessment, Case, CaseReport, CaseStatus, RuleOutcome, item::Goods},
};
use goods::ItemFacts;

const VERSION: i32 = 1;

/// What the rules look at.
struct Facts<'a> {
    case: &'a Case,
    report: &'a CaseReport,
    sentences: Sentences,
}

/// Whether rules say in words how they came out: that is most of the work, and who counts reads none of it.
#[derive(Debug, Clone, Copy)]
enum Sentences {
    Said,
    LeftOut,
}

/// How a rule came out.
struct Outcome {
    met: bool,
    message: String,
}

/// The function of a rule.
enum Check {
    Case(fn(&Facts<'_>) -> Outcome),
    Substance(fn(&ItemFacts<'_>) -> Outcome),
    Equipment(fn(&Facts<'_>, &ItemFacts<'_>) -> Outcome),
    Origin(fn(&Facts<'_>) -> Outcome),
}

/// A row of the table.
struct Row {
    id: &'static str,
    asks: &'static str,
    source: &'static str,
    check: Check,
}

const IDS_FORM: &str = "UNODC Individual Drug Seizures form";
const SWGDRUG: &str = "SWGDRUG Recommendations, Version 8, Part IIIB";

const ROWS: [Row; 10] = [
    Row {
        id: "incident-date",
        asks: "The incident has a date, at least its year.",
        source: IDS_FORM,
        check: Check::Case(incident::date),
    },
    Row {
        id: "incident-country",
        asks: "The incident has a place, at least its country.",
        source: IDS_FORM,
        check: Check::Case(incident::country),
    },
    Row {
        id: "incident-record",
        asks: "The report lists evidence of kind SEIZURE_RECORD or CUSTODY_RECORD.",
        source: "a rule of this standard; for the goods in a laboratory's hands ISO/IEC 17025:2017, 7.4",
        check: Check::Case(incident::record),
    },
    Row {
        id: "laboratory-finding",
        asks: "A laboratory identified a substance in the item.",
        source: SWGDRUG,
        check: Check::Substance(finding::identified),
    },
    Row {
        id: "laboratory-techniques",
        asks: "That finding rests on a category A technique and one more of any category, or, without category A, on three different techniques of which two are category B.",
        source: SWGDRUG,
        check: Check::Substance(finding::techniques),
    },
    Row {
        id: "laboratory-named",
        asks: "That finding names the laboratory and states its accreditation: ISO/IEC 17025, or none.",
        source: "ISO/IEC 17025:2017, 7.8.2 (what a report states)",
        check: Check::Substance(finding::named),
    },
    Row {
        id: "laboratory-report",
        asks: "That finding names evidence of kind LAB_REPORT that is listed with it.",
        source: "ISO/IEC 17025:2017, 7.8.2 (what a report states)",
        check: Check::Substance(finding::reported),
    },
    Row {
        id: "findings-agree",
        asks: "No finding on techniques that suffice says that the substance was not detected.",
        source: "a rule of this standard; SWGDRUG says of negative results only that they identify nothing",
        check: Check::Substance(finding::agree),
    },
    Row {
        id: "equipment-examination",
        asks: "The report lists evidence of kind EXAMINATION_RECORD for its equipment.",
        source: "a rule of this standard",
        check: Check::Equipment(goods::examined),
    },
    Row {
        id: "origin-basis",
        asks: "The country of origin rests on something else than the agency's statement, with evidence of a kind that shows it.",
        source: "the word as in the UNODC Individual Drug Seizures form, the bases a rule of this standard",
        check: Check::Origin(origin::basis),
    },
];

pub(super) fn rules() -> Vec<Rule> {
    let scope = |check: &Check| match check {
        Check::Case(_) => Scope::Case,
        Check::Substance(_) => Scope::Substance,
        Check::Equipment(_) => Scope::Equipment,
        Check::Origin(_) => Scope::Origin,
    };
    ROWS.iter()
        .map(|row| Rule {
            id: row.id,
            scope: scope(&row.check),
            asks: row.asks,
            source: row.source,
        })
        .collect()
}

pub(super) fn assess(case: &Case) -> Assessment {
    assessed(case, Sentences::Said)
}

pub(super) fn outcomes(case: &Case) -> Assessment {
    assessed(case, Sentences::LeftOut)
}

fn assessed(case: &Case, sentences: Sentences) -> Assessment {
    let empty = CaseReport::default();
    let facts = Facts::new(case, &empty, sentences);
    judge(&facts, &ItemFacts::all(&facts))
}

pub(super) fn counted(case: &Case) -> Vec<Counted> {
    let empty = CaseReport::default();
    let facts = Facts::new(case, &empty, Sentences::LeftOut);
    let items = ItemFacts::all(&facts);
    let confirmed = judge(&facts, &items).confirmed_items;
    let mut counted: Vec<_> = items.iter().filter_map(name).collect();
    for item in &mut counted {
        item.confirmed = confirmed.binary_search(&item.item).is_ok();
    }
    counted
}

/// As [`counted`], without asking what is confirmed: nothing is.
pub(super) fn named(case: &Case) -> Vec<Counted> {
    let empty = CaseReport::default();
    let items = ItemFacts::all(&Facts::new(case, &empty, Sentences::LeftOut));
    items.iter().filter_map(name).collect()
}

fn name(item: &ItemFacts<'_>) -> Option<Counted> {
    let (claimed, claim) = item.claimed?;
    let found = item.best.as_ref().filter(|best| best.stands());
    let (identity, resolution) =
        found.map_or((claimed, claim), |best| (best.identity, best.resolution));
    Some(Counted {
        item: item.number,
        substance: match resolution {
            Resolution::Resolved(substance) => CountedSubstance::Catalogued(substance),
            _ => CountedSubstance::Free(name_of(identity, resolution).to_owned()),
        },
        confirmed: false,
        reclassified: found.is_some_and(|best| !best.as_claimed),
    })
}

impl<'a> Facts<'a> {
    fn new(case: &'a Case, empty: &'a CaseReport, sentences: Sentences) -> Self {
        let report = case.report.as_ref().unwrap_or(empty);
        Self {
            case,
            report,
            sentences,
        }
    }
}

/// Answers every rule: those of the case, those of each item, those of the origin.
fn judge(facts: &Facts<'_>, items: &[ItemFacts<'_>]) -> Assessment {
    let mut rules = Vec::with_capacity(4 + 5 * items.len());
    let mut put = |row: &Row, item: i32, outcome: Outcome| {
        let Outcome { met, message } = outcome;
        rules.push(RuleOutcome {
            rule: row.id.to_owned(),
            item,
            met,
            message,
        });
        met
    };
    let mut case_met = true;
    for row in &ROWS {
        if let Check::Case(check) = row.check {
            case_met &= put(row, 0, check(facts));
        }
    }
    let mut confirmed_items = Vec::new();
    for item in items {
        // An item of no known kind is held against nothing, and nothing confirms it.
        let mut item_met = item.goods.is_some();
        for row in &ROWS {
            let outcome = match (&row.check, item.goods) {
                (Check::Substance(check), Some(Goods::Substance(_) | Goods::Precursor(_))) => {
                    check(item)
                }
                (Check::Equipment(check), Some(Goods::Equipment(_))) => check(facts, item),
                _ => continue,
            };
            item_met &= put(row, item.number, outcome);
        }
        if item_met {
            confirmed_items.push(item.number);
        }
    }
    let mut origin_met = true;
    for row in &ROWS {
        if let Check::Origin(check) = row.check {
            origin_met &= put(row, 0, check(facts));
        }
    }
    if !case_met {
        // Goods of an incident that is not established count as nothing.
        confirmed_items.clear();
    }
    let status = match (confirmed_items.is_empty(), origin_met) {
        (true, _) => CaseStatus::Reported,
        (false, false) => CaseStatus::Confirmed,
        (false, true) => CaseStatus::Attributed,
    };
    Assessment {
        standard_version: VERSION,
        status: status.into(),
        rules,
        confirmed_items,
        attributed_origin: match status {
            CaseStatus::Attributed => origin::country(facts).unwrap_or_default().to_owned(),
            _ => String::new(),
        },
    }
}
