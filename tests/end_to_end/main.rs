//! What agencies may rely on, seen over the wire.

mod access;
mod audience;
mod casectl;
mod config;
mod declarations;
mod demo;
mod deploy;
mod idempotency;
mod identity;
mod import;
mod life;
mod life_casectl;
mod log;
mod overlaps;
mod questions_casectl;
mod quotas;
mod registry;
mod reload;
mod replay;
mod revocation;
mod secrets;
mod statements;
mod submit;
mod tls;
mod validation;
mod wire;
