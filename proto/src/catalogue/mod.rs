//! The catalogue: countries, units, substances and control measures as both sides must know them.
//!
//! What it is for: deciding whether a code, an identifier or a quantity means what it says, giving it its name or its
//! integer form, and proposing what was probably meant where it does not. What it promises: the data is compiled in and
//! read once; a look-up is a hash look-up; quantities are computed in integers, exactly. What it never does: read a file,
//! guess silently (a suggestion is only ever shown, never used), or take "not in the catalogue" for "not controlled".

pub mod chemistry;
pub mod countries;
pub mod identity;
pub mod measures;
pub(crate) mod nearest;
pub mod substances;
pub mod sum;
pub mod units;
