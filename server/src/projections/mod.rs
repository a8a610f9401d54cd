//! What is computed from the journal alone.
//!
//! What it is for: cases as they stand and their history; who was a member of what, when; what a request got. What it promises:
//! the same journal gives the same answers; every answer holds only what the caller may see. What it never does: write, or hold anything that cannot be made again.

mod earlier;
mod fold;
mod membership;
mod overlaps;
mod reader;
mod statement;
pub mod table;
pub mod text;

pub use earlier::Earlier;
pub use fold::{fold, is_disputed, set_overdue};
pub use membership::{History, Membership};
pub use overlaps::Overlaps;
pub use reader::{CaseReader, ReadError};
pub use statement::{Statement, named_readers};
