//! What is known of one item, and the rule of equipment.

use std::cell::OnceCell;

use super::{
    Facts, Outcome, Sentences,
    finding::{self, Examined},
    words,
};
use crate::{
    catalogue::identity::{Resolution, name_of, resolve},
    v1::{
        EvidenceKind, EvidenceReference, Item, LaboratoryFinding, SubstanceIdentity, item::Goods,
    },
};

/// One item with what laboratories say of it.
pub(super) struct ItemFacts<'a> {
    /// Its number, counted from 1.
    pub(super) number: i32,
    pub(super) goods: Option<&'a Goods>,
    /// The item as reported.
    item: &'a Item,
    /// How messages call it, once one does.
    label: OnceCell<String>,
    /// Whether there are messages.
    pub(super) sentences: Sentences,
    /// How long a stated text may be in them.
    pub(super) clip: usize,
    /// The substance as reported.
    pub(super) claimed: Option<(&'a SubstanceIdentity, Resolution)>,
    /// All findings that count: those of the report, then those that came later and are not detached.
    pub(super) findings: Vec<(&'a LaboratoryFinding, &'a [EvidenceReference])>,
    /// True if a later amendment changed the item after a finding was made: that finding counts for nothing.
    pub(super) detached: bool,
    /// The finding that the rules are held against.
    pub(super) best: Option<Examined<'a>>,
    /// The finding that says of the substance that it was not detected.
    pub(super) denial: Option<&'a LaboratoryFinding>,
}

impl<'a> ItemFacts<'a> {
    /// Those of every item, in order.
    pub(super) fn all(facts: &Facts<'a>) -> Vec<Self> {
        let clip = words::clip_of(facts.report.items.len());
        let items = facts.report.items.iter();
        items
            .zip(1..)
            .map(|(item, number)| {
                let claimed = match &item.goods {
                    Some(Goods::Substance(s) | Goods::Precursor(s)) => Some((s, resolve(s))),
                    _ => None,
                };
                let own = item.findings.iter();
                let own = own.map(|finding| (finding, facts.report.evidence.as_slice()));
                let late = facts.case.late_findings.iter();
                let late = late.filter(|late| late.item == number);
                let detached = late.clone().any(|late| late.detached);
                let late = late
                    .filter(|late| !late.detached)
                    .filter_map(|late| Some((late.finding.as_ref()?, late.evidence.as_slice())));
                let findings: Vec<_> = own.chain(late).collect();
                let (best, denial) = match claimed {
                    Some(claimed) => finding::choose(&findings, claimed),
                    None => (None, None),
                };
                Self {
                    number,
                    goods: item.goods.as_ref(),
                    item,
                    label: OnceCell::new(),
                    sentences: facts.sentences,
                    clip,
                    claimed,
                    findings,
                    detached,
                    best,
                    denial,
                }
            })
            .collect()
    }

    /// How messages call it.
    pub(super) fn label(&self) -> &str {
        self.label.get_or_init(|| {
            let name = match (self.goods, self.claimed) {
                (_, Some((identity, resolution))) => name_of(identity, resolution),
                (Some(Goods::Equipment(e)), _) if !e.name.is_empty() => &e.name,
                _ => "equipment",
            };
            words::item(self.number, self.item, name, self.clip)
        })
    }
}

/// An examination record of the case stands for all of its equipment: an item names no evidence by itself.
pub(super) fn examined(facts: &Facts<'_>, item: &ItemFacts<'_>) -> Outcome {
    let mut evidence = facts.report.evidence.iter();
    match evidence.find(|e| e.kind() == EvidenceKind::ExaminationRecord) {
        Some(evidence) => facts.sentences.met(|| format!(
            "{} has the examination record '{}'", item.label(),
            words::clip(&evidence.id)
        )),
        None => facts.sentences.missing(|| format!(
            "{} has no evidence of kind EXAMINATION_RECORD: list the record of its examination with its digest",
            item.label()
        )),
    }
}
