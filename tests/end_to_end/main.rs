//! What agencies may rely on, seen over the wire.

mod audience;
mod casectl;
mod config;
mod demo;
mod idempotency;
mod identity;
mod log;
mod registry;
mod replay;
mod submit;
mod validation;
mod wire;
