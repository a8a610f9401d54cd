//! What happens when processes, disks and operators fail.

mod access;
mod attempts;
mod crash;
mod deliveries;
mod disk;
mod full;
mod hang;
mod lost;
mod older;
mod quiet;
mod replaced;
mod restart;
mod state;
mod sync;
