//! What happens when processes, disks and operators fail.

mod access;
mod crash;
mod disk;
mod replaced;
mod state;
mod sync;
