//! The development PKI, and the public cases that come with the program.

mod agencies;
mod cases;
pub mod pki;

pub use self::cases::public_cases;
