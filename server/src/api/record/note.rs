//! What only a method knows of its call, and what the bodies counted.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use casebroker_proto::{
    json,
    names::CaseName,
    purpose::{Purpose, PurposeError},
};
use prost::Message;
use tonic::Request;

/// Most bytes of a resource that are kept; the record cuts it to its own length.
const KEPT_BYTES: usize = 2_048;

/// Handle of a call's line in the access record. Every request has one among its extensions.
#[derive(Debug, Clone)]
pub(in crate::api) struct AccessNote(pub(super) Arc<Noted>);

#[derive(Debug)]
pub(super) struct Noted {
    pub(super) purpose: Result<Option<Purpose>, PurposeError>,
    /// The caller's role must give a purpose to read cases.
    pub(super) purpose_required: bool,
    pub(super) resource: Mutex<Resource>,
    pub(super) cases: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) received: Counted,
    pub(super) sent: Counted,
}

/// What a call was about.
#[derive(Debug, Default)]
pub(super) struct Resource {
    pub(super) text: String,
    /// More of the same.
    pub(super) more: u64,
}

/// Messages and bytes in one direction.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) messages: AtomicU64,
    pub(super) bytes: AtomicU64,
}

impl AccessNote {
    pub(super) fn new(
        purpose: Result<Option<Purpose>, PurposeError>,
        purpose_required: bool,
    ) -> Self {
        Self(Arc::new(Noted {
            purpose,
            purpose_required,
            resource: Mutex::default(),
            cases: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            received: Counted::default(),
            sent: Counted::default(),
        }))
    }

    /// The note of a request; one that nobody reads if it did not come through the layer.
    pub(in crate::api) fn of<T>(request: &Request<T>) -> Self {
        let found = request.extensions().get::<Self>().cloned();
        found.unwrap_or_else(|| Self::new(Ok(None), false))
    }

    /// Resource name or filter. Never narrative or evidence content.
    pub(in crate::api) fn resource(&self, text: impl AsRef<str>) {
        let mut text = text.as_ref();
        if text.len() > KEPT_BYTES {
            let end = (0..=KEPT_BYTES).rev().find(|at| text.is_char_boundary(*at));
            text = text.get(..end.unwrap_or(0)).unwrap_or_default();
        }
        self.lock().text = text.to_owned();
    }

    /// One of the resources of a stream: the first is named, the others are counted.
    pub(in crate::api) fn resource_of_many(&self, case: &CaseName) {
        let mut resource = self.lock();
        match resource.text.is_empty() {
            true => resource.text = case.to_string(),
            false => resource.more += 1,
        }
    }

    /// That many cases are returned.
    pub(in crate::api) fn cases(&self, count: usize) {
        self.0.cases.fetch_add(count as u64, Relaxed);
    }

    /// An answer within a stream refuses a statement.
    pub(in crate::api) fn refused(&self) {
        self.0.refused.fetch_add(1, Relaxed);
    }

    /// The purpose that came with the request.
    pub(in crate::api) fn purpose(&self) -> Result<Option<&Purpose>, &PurposeError> {
        self.0.purpose.as_ref().map(Option::as_ref)
    }

    /// Whether the caller's role must give one to read cases.
    pub(in crate::api) fn purpose_required(&self) -> bool {
        self.0.purpose_required
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Resource> {
        let resource = &self.0.resource;
        resource.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A filter as compact proto JSON. Words searched for are only counted: they may be somebody's narrative.
pub(in crate::api) fn filter_text<T: Message>(name: &str, filter: Option<&T>) -> String {
    let Some(mut value) = filter.and_then(|filter| json::to_value(name, filter).ok()) else {
        return String::new();
    };
    if let Some(text) = value.get_mut("text") {
        let characters = text.as_str().map_or(0, |text| text.chars().count());
        *text = format!("({characters} characters)").into();
    }
    match value.as_object().is_some_and(serde_json::Map::is_empty) {
        true => String::new(),
        false => value.to_string(),
    }
}

/// Counts messages in a direction by their prefixes (gRPC over HTTP/2: a flag, a length of 4 bytes, the message).
#[derive(Debug, Default)]
pub(super) struct Counter {
    prefix: [u8; 5],
    held: usize,
    left: u64,
}

impl Counter {
    pub(super) fn take(&mut self, mut bytes: &[u8], into: &Counted) {
        into.bytes.fetch_add(bytes.len() as u64, Relaxed);
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.left -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let (Some(to), Some((first, rest))) =
                (self.prefix.get_mut(self.held), bytes.split_first())
            {
                *to = *first;
                bytes = rest;
            }
            self.held += 1;
            if self.held == self.prefix.len() {
                let [_, length @ ..] = self.prefix;
                self.left = u32::from_be_bytes(length).into();
                self.held = 0;
                into.messages.fetch_add(1, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_are_counted_however_they_are_cut(
            lengths in proptest::collection::vec(0..300_usize, 0..20),
            piece in 1..64_usize,
        ) {
            let mut bytes = Vec::new();
            for length in &lengths {
                bytes.push(0);
                bytes.extend_from_slice(&(*length as u32).to_be_bytes());
                bytes.extend(std::iter::repeat_n(7, *length));
            }
            let (mut counter, counted) = (Counter::default(), Counted::default());
            for piece in bytes.chunks(piece) {
                counter.take(piece, &counted);
            }
            prop_assert_eq!(counted.messages.load(Relaxed), lengths.len() as u64);
            prop_assert_eq!(counted.bytes.load(Relaxed), bytes.len() as u64);
        }
    }

    #[test]
    fn a_filter_is_shown_without_the_words_searched_for() {
        let filter = casebroker_proto::v1::CaseFilter {
            agencies: vec!["agencies/us-dea".into()],
            text: "a whole narrative".into(),
            ..Default::default()
        };
        let text = filter_text("casebroker.v1.CaseFilter", Some(&filter));
        assert_eq!(
            text,
            r#"{"agencies":["agencies/us-dea"],"text":"(17 characters)"}"#
        );
    }
}
