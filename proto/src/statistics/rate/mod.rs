//! The ratio of two Poisson rates with its exact interval.
//!
//! Of N events in all, those after the date are binomial with share p = ρ·n₂ / (n₁ + ρ·n₂), where ρ is the ratio of the rates and n₁
//! and n₂ are the numbers of periods (Przyborowski and Wilenski, "Homogeneity of results in testing samples from Poisson series",
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
    /// In how many periods of equal length.
    pub periods: u32,
}

/// Events a period after a date, divided by those before it, with the exact 95 % interval. None if there was no event before it, or
/// no period on a side.
pub fn rate_ratio(before: Observed, after: Observed) -> Option<RateRatio> {
    if before.events == 0 || before.periods == 0 || after.periods == 0 {
        return None;
    }
    let periods = f64::from(before.periods) / f64::from(after.periods);
    let (x1, x2) = (as_f64(before.events), as_f64(after.events));
    // Each end by the smaller of its share and what the share leaves, so that neither loses digits near 0 or 1.
    let low = if after.events == 0 {
        0.0
    } else {
        beta::log_odds(x2, x1 + 1.0, TAIL).exp() * periods
    };
    let high = (-beta::log_odds(x1, x2 + 1.0, TAIL)).exp() * periods;
    Some(RateRatio {
        ratio: x2 / x1 * periods,
        low,
        high: Some(high),
    })
}

/// Exact up to 2^53 events, and beyond what any log holds.
#[allow(clippy::cast_precision_loss, reason = "no log holds 2^53 entries")]
fn as_f64(events: u64) -> f64 {
    events as f64
}

#[cfg(test)]
mod tests;
