//! Tests of the index: what is found, what a restart and damage do, what a failure does.

mod damage;
mod failure;
mod found;
mod naive;
mod stage;
