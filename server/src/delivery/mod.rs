//! What the broker delivers by itself: durable subscriptions.
//!
//! What it is for: bringing every statement that a subscription selects to one of its consumers, again until it is acknowledged. What it
//! promises: at least once; a cursor in the ledger may be behind what was acknowledged, and never ahead of it; what is looked at is
//! what the table says of that position, so the same range delivered twice is the same; nothing waits for a consumer, neither intake nor
//! another subscription; queues, leases and dead letters are bounded. What it never does: decide who may see a statement (`policy`
//! does, again with every delivery), copy statements into queues (they hold positions), or name a gRPC type.
//!
//! A subscription that has caught up gets positions from the one thread that holds new statements against all filters at once
//! ([`matcher`]). One that has not, because it is new, was idle or is slow, reads on by itself where it keeps nobody waiting, until it
//! has caught up. `SubscriptionService` in the contract says what consumers may rely on.

mod ack_id;
mod consuming;
mod content;
mod definition;
mod lapsing;
mod ledger;
mod matcher;
mod outbox;
mod passed;
mod reading_on;
mod registry;
mod subscribed;
mod sync;
mod use_clock;

pub use ack_id::AckId;
pub use consuming::Joined;
pub use content::ContentError;
pub use definition::define;
pub use ledger::look;
pub use outbox::{Consumer, ConsumerId, Counts, Dead, GivenBack, Progress, Taken};
pub use registry::{Deliveries, DeliveryError, Given};
pub use subscribed::{Definition, Subscribed};
