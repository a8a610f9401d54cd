//! The locks that a scan, the matcher and whoever moves a subscription share. In tests they are those of a scheduler that tries one
//! interleaving after another: there they work only inside of `shuttle::check_random` and the like.

#[cfg(test)]
pub use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(test))]
pub use std::sync::{Mutex, MutexGuard};
