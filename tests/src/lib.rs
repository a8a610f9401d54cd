//! The harness: looks at the real binaries from outside.
//!
//! What it is for: starting a broker as an operator would, talking to it as an agency would, and damaging what it left on
//! disk as the world would. What it promises: every broker has its own folder, port and PKI, so tests run side by side;
//! nothing waits by sleeping a fixed time; a process is ended by its handle only. What it never does: link the broker's
//! own code, or look at anything that an operator could not see.

pub mod access;
pub mod broker;
pub mod caller;
pub mod casectl;
pub mod cases;
pub mod cbp;
pub mod files;
pub mod life;
pub mod load;
pub mod pki;
pub mod proof;
pub mod segment;
pub mod site;
pub mod subscriber;
pub mod tls;
pub mod wait;

pub use broker::Broker;
pub use caller::{Caller, refusal, refused};
pub use site::Site;

/// The members of every site.
pub const DEA: &str = "us-dea";
/// See [`DEA`].
pub const CBP: &str = "us-cbp";
/// See [`DEA`].
pub const RCMP: &str = "ca-rcmp";

/// Position of the first statement in a new log: the registry as it was at the first start comes before it.
pub const FIRST: u64 = 1;

/// Says something on the terminal even when the test passes, as figures are worth more than a tick.
pub fn announce(text: &str) {
    use std::io::Write as _;
    // The standard macros are captured by the test runner; the handle is not.
    let _ = writeln!(std::io::stdout(), "      {text}");
}
