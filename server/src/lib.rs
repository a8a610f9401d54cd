pub mod config;
pub mod identity;
pub mod journal;
pub mod policy;
