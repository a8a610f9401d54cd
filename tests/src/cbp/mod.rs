//! Published aggregates of drug seizures as data for tests of counts.
//!
//! What it is for: a broker that is given as many cases as CBP published events must count back exactly what was published.
//! [`rows`] reads the files in `tests/data/cbp`, [`cases`] makes of each row as many case reports as it has events, whose masses sum to
//! the row's, and [`expected`] says what counting them must give. [`ask`] submits them through the SDK and holds the answers against that.
//! What it promises: the same seed makes the same cases, and memory does not grow with the number of rows. What it never does: pass a
//! case off as real. Each says in title, narrative and handling that it is synthetic.

pub mod ask;
pub mod cases;
pub mod expected;
pub mod rows;

pub use cases::Generator;
pub use expected::{Expected, Group, Sum, expected};
pub use rows::{Row, rows};

/// The drug type that the acceptance test is about.
pub const FENTANYL: &str = "Fentanyl";
