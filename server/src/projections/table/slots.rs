//! Sets of filters, by their slots, and what of a field each filter takes.

use std::collections::HashMap;

use super::bits::ones;

/// A set of slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slots(Vec<u64>);

/// A field of the filter: who does not ask for it, and who takes which value.
#[derive(Debug, Default)]
pub(super) struct Field {
    any: Slots,
    by_value: HashMap<u32, Slots>,
}

impl Field {
    pub(super) fn is_asked(&self) -> bool {
        !self.by_value.is_empty()
    }

    pub(super) fn put(&mut self, slot: usize, values: Option<Vec<u32>>, is_in: bool) {
        match values {
            None => self.any.put(slot, is_in),
            Some(values) => {
                for value in values {
                    let slots = self.by_value.entry(value).or_default();
                    slots.put(slot, is_in);
                    if slots.is_empty() {
                        self.by_value.remove(&value);
                    }
                }
            }
        }
    }

    /// Keeps those that take one of these values.
    pub(super) fn keep(&self, left: &mut Slots, values: impl IntoIterator<Item = u32>) {
        let mut taking = values.into_iter().filter_map(|v| self.by_value.get(&v));
        match (taking.next(), taking.next()) {
            // Whoever asks for what nothing has is not among those that do not ask.
            (None, _) => left.and(&self.any),
            (Some(one), None) => left.keep_either(&self.any, one),
            (Some(one), Some(two)) => {
                let mut all = self.any.clone();
                [one, two].into_iter().chain(taking).for_each(|s| all.or(s));
                left.and(&all);
            }
        }
    }
}

impl Slots {
    pub(super) fn put(&mut self, slot: usize, is_in: bool) {
        let (word, bit) = (slot / 64, 1 << (slot % 64));
        if self.0.len() <= word {
            if !is_in {
                return;
            }
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            match is_in {
                true => *word |= bit,
                false => *word &= !bit,
            }
        }
    }

    pub(super) fn or(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (to, from) in self.0.iter_mut().zip(&other.0) {
            *to |= from;
        }
    }

    pub(super) fn and(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (to, from) in self.0.iter_mut().zip(&other.0) {
            *to &= from;
        }
    }

    /// Keeps those that are in either.
    pub(super) fn keep_either(&mut self, one: &Self, other: &Self) {
        self.0.truncate(one.0.len().max(other.0.len()));
        let word = |of: &Self, n: usize| of.0.get(n).copied().unwrap_or(0);
        for (n, to) in self.0.iter_mut().enumerate() {
            *to &= word(one, n) | word(other, n);
        }
    }

    pub(super) fn has(&self, slot: usize) -> bool {
        let word = self.0.get(slot / 64);
        word.is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// Takes out those that are among `limited`, but for those that are among `allowed` too.
    pub(super) fn keep_or(&mut self, limited: &Self, allowed: Option<&Self>) {
        let allowed = |n: usize| allowed.and_then(|a| a.0.get(n)).copied().unwrap_or(0);
        for (n, (to, limited)) in self.0.iter_mut().zip(&limited.0).enumerate() {
            *to &= !limited | allowed(n);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        ones(&self.0)
    }
}
