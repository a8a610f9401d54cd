//! The broker. `ARCHITECTURE.md` shows the rooms; `broker.rs` reads top to bottom in the order in which a submission goes
//! through them.

pub mod api;
pub mod aside;
pub mod broker;
pub mod check;
pub mod config;
pub mod core_dumps;
pub mod delivery;
pub mod demo;
pub mod durable;
pub mod identity;
pub mod intake;
pub mod journal;
pub mod policy;
pub mod projections;
pub mod scans;
pub mod sequencer;
pub mod startup;
pub mod state;
pub mod telemetry;
pub mod transparency;
pub mod vital;
