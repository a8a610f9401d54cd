//! What agencies may rely on, seen over the wire.

mod audience;
mod casectl;
mod config;
mod deploy;
mod idempotency;
mod identity;
mod log;
mod secrets;
mod submit;
mod validation;
