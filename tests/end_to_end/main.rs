//! What agencies may rely on, seen over the wire.

mod access;
mod audience;
mod casectl;
mod config;
mod deploy;
mod idempotency;
mod identity;
mod log;
mod quotas;
mod reload;
mod revocation;
mod secrets;
mod submit;
mod tls;
mod validation;
