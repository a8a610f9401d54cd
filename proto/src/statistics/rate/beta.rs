//! Quantiles of the beta distribution for whole parameters.
//!
//! Of the crates there are, the one with an inverse (`statrs`) stops its continued fraction after 140 steps and so is wrong for large
//! counts. Here: the regularized incomplete beta function by its continued fraction (NIST Digital Library of Mathematical Functions,
//! 8.17.22) with Lentz's method as modified by Thompson and Barnett (J. Comput. Phys. 64, 1986), and its inverse by Newton's method
//! between two ends that hold it, in the logarithm of the odds: there neither end of the interval from 0 to 1 is near.

use std::f64::consts::TAU;

/// Steps of the continued fraction: it needs about as many as the root of the larger parameter (DLMF, 8.17.22).
const MAX_STEPS: u32 = 1_000_000;
/// Steps of Newton's method or of halving: enough to halve any interval of logarithms away.
const MAX_ROUNDS: u32 = 200;
/// Smallest number that a denominator of the continued fraction may have.
const TINY: f64 = 1e-300;

/// ln(x / (1 - x)) of the x up to which a beta distribution with whole parameters of at least 1 has the share `tail`, over 0 and
/// under 1.
pub(super) fn log_odds(a: f64, b: f64, tail: f64) -> f64 {
    let share = |at: f64| share_below(a, b, at);
    let mut at = (a / b).ln();
    let (mut low, mut high) = (at - 1.0, at + 1.0);
    for _ in 0..MAX_ROUNDS {
        if share(low) <= tail {
            break;
        }
        low -= at - low;
    }
    for _ in 0..MAX_ROUNDS {
        if share(high) >= tail {
            break;
        }
        high += high - at;
    }
    for _ in 0..MAX_ROUNDS {
        let over = share(at) - tail;
        if over > 0.0 {
            high = at;
        } else {
            low = at;
        }
        let newton = at - over / ln_density(a, b, at).exp();
        let next = if newton > low && newton < high {
            newton
        } else {
            f64::midpoint(low, high)
        };
        let moved = (next - at).abs();
        at = next;
        if moved <= 4.0 * f64::EPSILON * at.abs().max(1.0) {
            break;
        }
    }
    at
}

/// The share of a beta distribution below the x of these odds: I_x(a, b).
fn share_below(a: f64, b: f64, log_odds: f64) -> f64 {
    let x = 1.0 / (1.0 + (-log_odds).exp());
    let factor = ln_density(a, b, log_odds).exp();
    // The fraction converges fast below this point only; beyond it that of the other side does (DLMF, 8.17.4).
    if x < (a + 1.0) / (a + b + 2.0) {
        factor / a * fraction(a, b, x)
    } else {
        let rest = 1.0 / (1.0 + log_odds.exp());
        1.0 - factor / b * fraction(b, a, rest)
    }
}

/// ln of x^a (1 - x)^b / B(a, b), which is the density by the logarithm of the odds. What is large in its terms is taken from them
/// before they are added (Loader, "Fast and accurate computation of binomial probabilities", 2000).
fn ln_density(a: f64, b: f64, log_odds: f64) -> f64 {
    // ln x and ln (1 - x), and the same of the mean, each without loss where it is near 0.
    let ln_x = -(-log_odds).exp().ln_1p();
    let ln_rest = -log_odds.exp().ln_1p();
    let ln_mean = -(b / a).ln_1p();
    let ln_mean_rest = -(a / b).ln_1p();
    let rest = beyond_stirling(a + b) - beyond_stirling(a) - beyond_stirling(b);
    a * (ln_x - ln_mean) + b * (ln_rest - ln_mean_rest) + 0.5 * (a / (a + b) * b / TAU).ln() + rest
}

/// The continued fraction of DLMF 8.17.22.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in 1..MAX_STEPS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        value *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let step = c * d;
        value *= step;
        if (step - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    value
}

/// By what ln Γ(n) is greater than (n - 1/2) ln n - n + 1/2 ln 2π, for whole n of at least 1: by the product, or by Stirling's series
/// (DLMF, 5.11.1), whose first term left out is below 1e-14 from 20 on.
fn beyond_stirling(n: f64) -> f64 {
    if n < 20.0 {
        let mut product = 1.0;
        let mut factor = 2.0;
        while factor < n {
            product *= factor;
            factor += 1.0;
        }
        return f64::ln(product) - ((n - 0.5) * n.ln() - n + 0.5 * TAU.ln());
    }
    let s = 1.0 / (n * n);
    (1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1_260.0 - s * (1.0 / 1_680.0)))) / n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_of_a_factorial_is_the_sum_of_logarithms() {
        let mut sum = 0.0;
        for n in 1..2_000u32 {
            let n = f64::from(n);
            let n = n + 1.0;
            let found = (n - 0.5) * n.ln() - n + 0.5 * TAU.ln() + beyond_stirling(n);
            let n = n - 1.0;
            sum += n.ln();
            assert!((found - sum).abs() <= 1e-13 * sum.max(1.0), "{n}");
        }
    }

    #[test]
    fn the_share_below_is_that_of_the_binomial_sum() {
        // I_x(a, b) is the chance of at least a hits among a + b - 1 (DLMF, 8.17.5).
        for (a, b) in [(1u32, 1u32), (1, 5), (3, 2), (7, 19), (20, 1), (24, 24)] {
            let n = a + b - 1;
            for x in [1e-6, 0.01, 0.2, 0.5, 0.77, 0.99, 1.0 - 1e-9] {
                let hits = |k: u32| {
                    let ways = (0..k).fold(1.0, |w, i| w * f64::from(n - i) / f64::from(i + 1));
                    ways * f64::powi(x, k as i32) * f64::powi(1.0 - x, (n - k) as i32)
                };
                let sum: f64 = (a..=n).map(hits).sum();
                let found = share_below(f64::from(a), f64::from(b), (x / (1.0 - x)).ln());
                assert!(
                    (found - sum).abs() <= 1e-12 * sum + 1e-300,
                    "{a} {b} {x}: {found} {sum}"
                );
            }
        }
    }
}
