//! What only cases can tell of a filter: whether anything has a reporting unit, or a name of a substance that the catalogue does not
//! know.

use super::{limits, meant::did_you_mean, text_key};
use crate::{
    catalogue::{identity::known_substance, nearest::nearest, substances::suggest},
    errors::Violation,
    v1::CaseFilter,
    validation::{
        Clock,
        checker::{Checker, Path, shown},
    },
};

/// What the cases that the caller may see have. Nothing of others may come in here: it would be told by a suggestion.
pub trait Occurring {
    /// Whether a case has this reporting unit, by [`text_key`].
    fn has_reporting_unit(&self, key: &str) -> bool;
    /// Whether a case has goods of this stated name, by [`text_key`].
    fn has_substance(&self, key: &str) -> bool;
    /// Reporting units that may have been meant by one that no case has, at most a few thousand.
    fn reporting_units(&self) -> Vec<String>;
    /// The same for stated names of substances.
    fn substances(&self) -> Vec<String>;
}

/// Holds a filter that [`compile`](super::compile()) accepted against what occurs. Paths begin with `field`.
pub fn check_occurring(
    filter: &CaseFilter,
    field: &'static str,
    occurring: &dyn Occurring,
) -> Vec<Violation> {
    // No rule of a filter looks at the time.
    let mut checker = Checker::new(Clock { now: 0 });
    let at = Path::ROOT.field(field);
    let units = &filter.reporting_units;
    let max = limits::REPORTING_UNITS;
    checker.each(&at, "reporting_units", units, max, |c, at, unit| {
        if occurring.has_reporting_unit(&text_key(unit)) {
            return;
        }
        c.refuse(at, || {
            let units = occurring.reporting_units();
            format!(
                "is {}, which is not the reporting unit of any case here{}",
                shown(unit),
                did_you_mean(nearest(
                    unit,
                    units.iter().map(|u| (u.as_str(), u.as_str()))
                ))
            )
        });
    });
    let (substances, max) = (&filter.substances, limits::SUBSTANCES);
    checker.each(&at, "substances", substances, max, |c, at, name| {
        let key = text_key(name);
        let known = known_substance(name).or_else(|| known_substance(&key));
        if known.is_some() || occurring.has_substance(&key) {
            return;
        }
        c.refuse(at, || {
            let stated = occurring.substances();
            let stated = || nearest(name, stated.iter().map(|s| (s.as_str(), s.as_str())));
            let meant = suggest(name).map(|s| format!("{} ({})", s.name, s.id));
            let meant = meant.or_else(|| stated().map(str::to_owned));
            format!(
                "is {}, which neither the catalogue nor any case here knows{}",
                shown(name),
                did_you_mean(meant.as_deref())
            )
        });
    });
    checker.finish()
}
