//! The table: every case as everybody sees it, in columns, so that lists, counts and trends need not read the journal.
//!
//! What it is for: finding and counting cases by any filter, as of now or of any earlier position, and the cases that ever brought the same. What it promises: a row is exactly
//! what folding the case's statements would give to the agencies that it is for; readers take no lock that the writer waits for,
//! and the writer none that readers wait for (but for a look-up in a map's shard); nothing that grows is ever copied as a whole.
//! What it never does: decide who may see a statement ([`policy`](crate::policy) does), or hold anything that the journal lacks.

mod apply;
mod bits;
mod cells;
mod chunk;
mod count;
mod facts;
mod follow;
mod growing;
mod incident_goods;
mod kept;
mod keys;
mod last_keys;
mod loading;
mod news;
mod occurring;
mod page;
mod part;
mod plan;
mod rows;
mod said;
mod scan;
mod selects;
mod sharing;
mod slots;
mod snapshot;
mod standing;
mod sum;
mod tally;
mod trend;
mod views;

#[cfg(test)]
mod tests;

pub use count::{CountError, Counted, Group, MAX_GROUPS, Reason};
pub use follow::{Table, TableError};
pub use loading::{Loading, Options};
pub use news::{Change, News, Reading};
pub use occurring::OfViewer;
pub use page::{By, Order, Page, Rank};
pub use part::{MAX_DIMENSIONS, Wanted};
pub use plan::{AsOf, GivenUp, Plan, Standing, Texts};
pub use rows::Rows;
pub use said::{Readers, Said};
pub use sharing::{Holders, MAX_HOLDERS, MAX_HOLDERS_AN_AGENCY, Sharing};
pub use standing::Filters;
pub use tally::Sums;
pub use trend::Trend;
