//! The arithmetic of trends: periods of the calendar around a date, and how sure a ratio of two counts is.
//!
//! What it is for: turning counts before and after a date into what can be said of them. What it promises: the same numbers give the
//! same answer everywhere, so a reader can check it offline; intervals are exact, not approximations for large counts; a day is in
//! one period at most. What it never does: count anything itself, read a clock, or say why a number changed.

mod caveats;
mod periods;
mod rate;

pub use caveats::{Background, caveats};
pub use periods::{Located, Period, PeriodError, locate, periods};
pub use rate::{Observed, rate_ratio};
