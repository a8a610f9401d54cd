//! The ratio of two Poisson rates with its exact interval.
//!
//! Of N events in all, those after the date are binomial with share p = ρ·n₂ / (n₁ + ρ·n₂), where ρ is the ratio of the rates and n₁
//! and n₂ are the exposures in days (Przyborowski and Wilenski, "Homogeneity of results in testing samples from Poisson series",
//! Biometrika 31, 1940; Lehmann and Romano, "Testing Statistical Hypotheses", section 4.5). The ends of the interval for p are those
//! of Clopper and Pearson ("The use of confidence or fiducial limits", Biometrika 26, 1934): quantiles of beta distributions.

mod beta;

use crate::v1::RateRatio;

/// What is left out on each side of a 95 % interval.
const TAIL: f64 = 0.025;

/// Events of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// How many there were.
    pub events: u64,
    /// Exposure: days in which they could happen.
    pub days: u64,
}

/// Events a day after a date, divided by those a day before it, with the exact 95 % interval. None if there was no event before it, or
/// no day on a side.
pub fn rate_ratio(before: Observed, after: Observed) -> Option<RateRatio> {
    if before.events == 0 || before.days == 0 || after.days == 0 {
        return None;
    }
    let exposure = as_f64(before.days) / as_f64(after.days);
    let (x1, x2) = (as_f64(before.events), as_f64(after.events));
    // Each end by the smaller of its share and what the share leaves, so that neither loses digits near 0 or 1.
    let low = if after.events == 0 {
        0.0
    } else {
        beta::log_odds(x2, x1 + 1.0, TAIL).exp() * exposure
    };
    let high = (-beta::log_odds(x1, x2 + 1.0, TAIL)).exp() * exposure;
    Some(RateRatio {
        ratio: x2 / x1 * exposure,
        low,
        high: Some(high),
    })
}

/// Exact up to 2^53, which is more than any log holds.
#[allow(clippy::cast_precision_loss, reason = "no log holds 2^53 entries")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
