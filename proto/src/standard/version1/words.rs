//! What the rules' sentences are made of.

use std::borrow::Cow;

use super::{Outcome, Sentences};
use crate::{
    google::r#type::Date,
    v1::{EvidenceKind, Item, Qualifier, Quantity, Technique, Unit},
};

/// Most characters of a stated text in a sentence.
const CLIP: usize = 60;
/// The same in a case of many items: each is named in five sentences, and a case must fit a message.
const SHORT_CLIP: usize = 24;
/// How many items are many.
const MANY: usize = 40;

/// How long a stated text may be in the sentences about one of so many items.
pub(super) fn clip_of(items: usize) -> usize {
    if items > MANY { SHORT_CLIP } else { CLIP }
}

impl Sentences {
    pub(super) fn met(self, message: impl FnOnce() -> String) -> Outcome {
        self.outcome(true, message)
    }

    pub(super) fn missing(self, message: impl FnOnce() -> String) -> Outcome {
        self.outcome(false, message)
    }

    fn outcome(self, met: bool, message: impl FnOnce() -> String) -> Outcome {
        let message = match self {
            Self::Said => message(),
            Self::LeftOut => String::new(),
        };
        Outcome { met, message }
    }
}

/// An item as an officer knows it: `item 2 'white powder, 1.2 kg'`.
pub(super) fn item(number: i32, item: &Item, name: &str, most: usize) -> String {
    let what = match item.description.as_str() {
        "" => clip_to(name, most),
        description => clip_to(description, most),
    };
    match &item.quantity {
        Some(quantity) => format!("item {number} '{what}, {}'", amount(quantity)),
        None => format!("item {number} '{what}'"),
    }
}

/// A quantity as reported: `about 1.2 kg`.
fn amount(quantity: &Quantity) -> String {
    let qualifier = match quantity.qualifier() {
        Qualifier::Unspecified => "",
        Qualifier::About => "about ",
        Qualifier::MoreThan => "more than ",
        Qualifier::Nearly => "nearly ",
        Qualifier::AtLeast => "at least ",
    };
    let one = quantity.value == "1";
    let unit = match quantity.unit() {
        Unit::Unspecified => "of an unknown unit",
        Unit::Gram => "g",
        Unit::Kilogram => "kg",
        Unit::Milligram => "mg",
        Unit::MetricTon => "t",
        Unit::Pound => "lb",
        Unit::Ounce => "oz",
        Unit::Litre => "L",
        Unit::Millilitre => "mL",
        Unit::Tablet if one => "tablet",
        Unit::Tablet => "tablets",
        Unit::Piece if one => "piece",
        Unit::Piece => "pieces",
    };
    format!("{qualifier}{} {unit}", clip(&quantity.value))
}

/// A stated text on one line, cut where it is long.
pub(super) fn clip(text: &str) -> Cow<'_, str> {
    clip_to(text, CLIP)
}

/// The same, to so many characters.
pub(super) fn clip_to(text: &str, most: usize) -> Cow<'_, str> {
    let long = text.len() > most && text.char_indices().nth(most).is_some();
    if !long && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let line = |c: char| if c.is_control() { ' ' } else { c };
    let mut cut: String = text.chars().take(most).map(line).collect();
    if long {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// A date as far as it is known.
pub(super) fn date(date: &Date) -> String {
    match date {
        Date { year, month: 0, .. } => format!("{year:04}"),
        Date {
            year,
            month,
            day: 0,
        } => format!("{year:04}-{month:02}"),
        Date { year, month, day } => format!("{year:04}-{month:02}-{day:02}"),
    }
}

/// Kind of evidence: `seizure record`.
pub(super) fn evidence(kind: EvidenceKind) -> String {
    plain(kind.as_str_name(), "EVIDENCE_KIND_")
}

/// A technique: `mass spectrometry`.
pub(super) fn technique(technique: Technique) -> String {
    match technique {
        Technique::MacroscopicMicroscopicExamination => {
            "macroscopic and microscopic examination".to_owned()
        }
        _ => plain(technique.as_str_name(), "TECHNIQUE_"),
    }
}

/// Kinds of evidence as statements write them: `SHIPPING_DOCUMENT or IMAGE`.
pub(super) fn kinds(kinds: &[EvidenceKind]) -> String {
    let names: Vec<_> = kinds
        .iter()
        .map(|kind| stated(kind.as_str_name(), "EVIDENCE_KIND_"))
        .collect();
    names.join(" or ")
}

/// The name of an enum value without what all of its enum begin with.
pub(super) fn stated<'a>(name: &'a str, prefix: &str) -> &'a str {
    name.strip_prefix(prefix).unwrap_or(name)
}

fn plain(name: &str, prefix: &str) -> String {
    stated(name, prefix).to_ascii_lowercase().replace('_', " ")
}
