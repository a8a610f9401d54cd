//! How violations are gathered, and paths that cost nothing until one is printed.

use std::fmt;

use super::{Clock, limits};
use crate::errors::Violation;

/// Where a field is: its name, and a way back to the message that holds it. Lives on the stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: &'static str,
    index: Option<usize>,
}

impl<'a> Path<'a> {
    /// The message that was given to be checked.
    pub(crate) const ROOT: Path<'static> = Path {
        parent: None,
        name: "",
        index: None,
    };

    /// A field of the message here.
    pub(crate) fn field(&'a self, name: &'static str) -> Path<'a> {
        Path {
            parent: Some(self),
            name,
            index: None,
        }
    }

    /// An element of a repeated field of the message here.
    pub(crate) fn element(&'a self, name: &'static str, index: usize) -> Path<'a> {
        Path {
            index: Some(index),
            ..self.field(name)
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if parent.parent.is_some() {
                f.write_str(".")?;
            }
        }
        f.write_str(self.name)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

/// Gathers violations. The rules are methods on it, each in the file of its part.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) clock: Clock,
    violations: Vec<Violation>,
    unlisted: usize,
}

impl Checker {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            violations: Vec::new(),
            unlisted: 0,
        }
    }

    /// All violations, with a last one without a path if some were left out.
    pub(crate) fn finish(mut self) -> Vec<Violation> {
        if self.unlisted > 0 {
            let more = format!(
                "{} more violations are not listed: an answer lists at most {}",
                self.unlisted,
                limits::VIOLATIONS
            );
            self.violations.push(Violation::new("", more));
        }
        self.violations
    }

    /// Notes a broken rule. `why` says what is wrong and what the rule is; it is not run when the list is full.
    pub(crate) fn refuse(&mut self, at: &Path<'_>, why: impl FnOnce() -> String) {
        if self.violations.len() < limits::VIOLATIONS {
            self.violations.push(Violation::new(at.to_string(), why()));
        } else {
            self.unlisted += 1;
        }
    }

    /// Notes a required field that is not there.
    pub(crate) fn missing(&mut self, at: &Path<'_>) {
        self.refuse(at, || "is required".into());
    }

    /// Checks a message that must be there.
    pub(crate) fn required<T>(
        &mut self,
        at: &Path<'_>,
        value: Option<&T>,
        check: impl FnOnce(&mut Self, &Path<'_>, &T),
    ) {
        match value {
            Some(value) => check(self, at, value),
            None => self.missing(at),
        }
    }

    /// Checks the elements of a repeated field, and that there are not too many: those beyond `max` are not looked at, which
    /// bounds the work.
    pub(crate) fn each<T>(
        &mut self,
        at: &Path<'_>,
        name: &'static str,
        elements: &[T],
        max: usize,
        mut check: impl FnMut(&mut Self, &Path<'_>, &T),
    ) {
        if elements.len() > max {
            let count = elements.len();
            self.refuse(&at.field(name), || {
                format!(
                    "has {count} elements; at most {max} are allowed, and only those were checked"
                )
            });
        }
        for (i, element) in elements.iter().take(max).enumerate() {
            check(self, &at.element(name, i), element);
        }
    }

    /// Notes each element that repeats an earlier one, among the first `max`.
    pub(crate) fn each_once<T: Ord>(
        &mut self,
        at: &Path<'_>,
        name: &'static str,
        elements: &[T],
        max: usize,
    ) {
        self.repeated(
            elements,
            max,
            |e| e,
            |c, i, first| {
                c.refuse(&at.element(name, i), || {
                    format!("repeats {name}[{first}]; each may be listed once")
                });
            },
        );
    }

    /// Runs `report` with the indices of each element whose key an earlier one has, and of that one, among the first `max`.
    pub(crate) fn repeated<T, K: Ord + ?Sized>(
        &mut self,
        elements: &[T],
        max: usize,
        key: impl Fn(&T) -> &K,
        report: impl Fn(&mut Self, usize, usize),
    ) {
        /// Up to here comparing each with each costs less than sorting, and nothing is allocated.
        const FEW: usize = 16;
        let elements = elements.get(..max).unwrap_or(elements);
        if elements.len() <= FEW {
            for (i, element) in elements.iter().enumerate() {
                let mut before = elements.iter().take(i);
                if let Some(first) = before.position(|e| key(e) == key(element)) {
                    report(self, i, first);
                }
            }
            return;
        }
        let mut sorted: Vec<(&K, usize)> = elements.iter().map(&key).zip(0..).collect();
        sorted.sort_unstable();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for group in sorted.chunk_by(|a, b| a.0 == b.0) {
            if let Some(((_, first), rest)) = group.split_first() {
                found.extend(rest.iter().map(|(_, i)| (*i, *first)));
            }
        }
        found.sort_unstable();
        for (i, first) in found {
            report(self, i, first);
        }
    }

    /// Checks a list of enum values, each required and listed once.
    pub(crate) fn enums_once<E: TryFrom<i32>>(
        &mut self,
        at: &Path<'_>,
        name: &'static str,
        values: &[i32],
        max: usize,
    ) {
        self.each(at, name, values, max, |c, at, value| {
            c.required_enum::<E>(at, *value);
        });
        self.each_once(at, name, values, max);
    }

    /// Checks an enum that must not be left unspecified.
    pub(crate) fn required_enum<E: TryFrom<i32>>(&mut self, at: &Path<'_>, value: i32) {
        match value {
            0 => self.refuse(at, || {
                format!(
                    "is required: it must be a specified value of {}",
                    enum_name::<E>()
                )
            }),
            _ => self.optional_enum::<E>(at, value),
        }
    }

    /// Checks an enum that may be left unspecified. A number that the contract does not name is a violation always: what it
    /// means cannot be shown or counted.
    pub(crate) fn optional_enum<E: TryFrom<i32>>(&mut self, at: &Path<'_>, value: i32) {
        if E::try_from(value).is_err() {
            self.refuse(at, || {
                format!("is {value}, which is not a value of {}", enum_name::<E>())
            });
        }
    }
}

/// A refused value, cut and with invisible characters spelt out, in quotes.
pub(crate) fn shown(value: &str) -> String {
    let cut: String = value.chars().take(limits::SHOWN_CHARS).collect();
    let more = if cut.len() < value.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

/// Name of an enum in the contract, for a message only.
fn enum_name<E>() -> &'static str {
    let path = std::any::type_name::<E>();
    path.rsplit("::").next().unwrap_or(path)
}
