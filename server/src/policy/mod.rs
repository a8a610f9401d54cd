//! What a caller may do and see.
//!
//! What it is for: one table of roles and methods, one function that decides visibility, and the record of who asked for what
//! ([`access`]). What it promises: every read, list, history and receipt passes through [`may_see`]; a caller cannot tell
//! "does not exist" from "not for you". What it never does: read or write anything but the access record.

pub mod access;
mod audience;
pub mod quotas;
mod roles;

pub use audience::{Groups, Reach, Subject, Viewer, is_within, may_see, readers};
pub use roles::{Method, may_call, reads_cases, viewer};
