//! Who may take how much.
//!
//! What it is for: limits for each principal and for each agency as a whole, so that one that floods does not make the
//! others wait. What it promises: an agency's limits hold however many principals its authority makes; a turn that is near
//! is waited for, first come first served; what is held comes back when its permit is dropped, however a call ends. What
//! it never does: look at what a call says, or refuse a stream for its statements (it is read on more slowly).
//!
//! A principal pays first, then its agency; what the agency refuses is not given back to the principal.

mod account;
mod bucket;
mod principals;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casebroker_proto::names::{AgencyName, Role};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout_at},
};

pub use account::{Held, Meter};
pub use bucket::Time;

use crate::{config, identity::CallerDetails};
use account::Account;
use principals::Principals;

/// A quota that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the quota `{quota}` is used up")]
pub struct Over {
    /// Which, such as `agency.requests`.
    pub quota: &'static str,
    /// How long until it makes sense to come back.
    pub retry_after: Duration,
}

/// All accounts.
#[derive(Debug)]
pub struct Quotas {
    config: config::Quotas,
    time: Time,
    /// One an agency that ever called: as many as there are members.
    agencies: Mutex<HashMap<AgencyName, Arc<Account>>>,
    principals: Principals,
}

/// The two accounts that a caller draws on.
#[derive(Debug, Clone)]
pub struct Accounts {
    principal: Arc<Account>,
    agency: Arc<Account>,
    wait: Duration,
}

/// Something held of both accounts; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _places: [OwnedSemaphorePermit; 2],
    // A principal that holds something is not forgotten.
    _accounts: Accounts,
}

/// How a rate that is used up is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Waits for a turn that is near, else is refused, after the same wait: whoever ignores it cannot ask faster.
    Short,
    /// Waits as long as it takes.
    Endless,
}

impl Quotas {
    /// Nothing is used up yet.
    pub fn new(config: &config::Quotas, time: Time) -> Self {
        Self {
            principals: Principals::new(config.principals),
            config: config.clone(),
            time,
            agencies: Mutex::default(),
        }
    }

    /// The accounts of a caller.
    pub fn accounts(&self, caller: &CallerDetails) -> Result<Accounts, Over> {
        let make = || {
            let quota = match caller.principal.role {
                Role::System => &self.config.system,
                Role::Officer | Role::Auditor | Role::Operator => &self.config.officer,
            };
            Account::new(quota, &self.config, &self.time)
        };
        let wait = self.config.wait();
        let principal = self.principals.get(&caller.principal_text, make);
        Ok(Accounts {
            principal: principal.ok_or(Over {
                quota: "principals",
                retry_after: wait,
            })?,
            agency: self.agency(&caller.principal.agency),
            wait,
        })
    }

    /// A connection of this caller: waits for its turn if that is near.
    pub async fn connection(&self, caller: &CallerDetails) -> Result<Permit, Over> {
        let accounts = self.accounts(caller)?;
        accounts
            .take(Meter::Connections, 1, Patience::Short)
            .await?;
        accounts.hold(Held::Connection).await
    }

    /// An agency's place in the sequencer's queue; waits until there is one.
    pub async fn queue_place(&self, agency: &AgencyName) -> Option<OwnedSemaphorePermit> {
        place(&self.agency(agency).queue).await
    }

    /// An agency's place among those whose statements are being checked; waits until there is one.
    pub async fn check(&self, agency: &AgencyName) -> Option<OwnedSemaphorePermit> {
        place(&self.agency(agency).checks).await
    }

    /// An agency's place among the readers; waits until there is one.
    pub async fn reader(&self, agency: &AgencyName) -> Option<OwnedSemaphorePermit> {
        place(&self.agency(agency).readers).await
    }

    /// An agency's place among those that scan; waits until there is one.
    pub async fn scan(&self, agency: &AgencyName) -> Option<OwnedSemaphorePermit> {
        place(&self.agency(agency).scans).await
    }

    /// How long a refused connection is kept waiting.
    pub fn refused_connection(&self) -> Duration {
        self.config.refused_connection()
    }

    fn agency(&self, name: &AgencyName) -> Arc<Account> {
        let mut agencies = self.agencies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = agencies.get(name) {
            return Arc::clone(account);
        }
        let own = self.config.agencies.get(name.id());
        let quota = own.unwrap_or(&self.config.agency);
        let account = Arc::new(Account::new(quota, &self.config, &self.time));
        agencies.insert(name.clone(), Arc::clone(&account));
        account
    }
}

impl Accounts {
    /// Most requests that [`Accounts::take`] can take in one go.
    pub fn request_burst(&self) -> u32 {
        let agency = self.agency.request_burst();
        self.principal.request_burst().min(agency)
    }

    /// Takes from a rate and waits for the turn. Counts of requests must not be more than [`Accounts::request_burst`], of
    /// bytes not more than a frame.
    pub async fn take(&self, meter: Meter, count: u32, patience: Patience) -> Result<(), Over> {
        if count == 0 {
            return Ok(());
        }
        let mut wait = Duration::ZERO;
        for (scope, account) in self.both() {
            let turn = loop {
                match (account.take(meter, count), patience) {
                    (Ok(turn), _) => break turn,
                    (Err(until), Patience::Endless) => sleep(until).await,
                    (Err(until), Patience::Short) => {
                        sleep(self.wait).await;
                        return Err(Over {
                            quota: scope.rate(meter),
                            retry_after: until.saturating_sub(self.wait).max(LEAST_RETRY),
                        });
                    }
                }
            };
            wait = wait.max(turn);
        }
        if !wait.is_zero() {
            sleep(wait).await;
        }
        Ok(())
    }

    /// Holds something of both accounts; waits a short time for it.
    pub async fn hold(&self, held: Held) -> Result<Permit, Over> {
        let deadline = Instant::now() + self.wait;
        let [principal, agency] = self.both().map(|(scope, account)| async move {
            let place = timeout_at(deadline, account.places(held).acquire_owned()).await;
            place.ok().and_then(Result::ok).ok_or(Over {
                quota: scope.held(held),
                retry_after: self.wait.max(LEAST_RETRY),
            })
        });
        let principal = principal.await?;
        let agency = agency.await?;
        Ok(Permit {
            _places: [principal, agency],
            _accounts: self.clone(),
        })
    }

    fn both(&self) -> [(Scope, &Account); 2] {
        [
            (Scope::Principal, &self.principal),
            (Scope::Agency, &self.agency),
        ]
    }
}

/// Shortest time that a refused caller is told to stay away.
const LEAST_RETRY: Duration = Duration::from_millis(10);

/// Whose account.
#[derive(Clone, Copy)]
enum Scope {
    Principal,
    Agency,
}

impl Scope {
    fn rate(self, meter: Meter) -> &'static str {
        match (self, meter) {
            (Self::Principal, Meter::Requests) => "principal.requests",
            (Self::Principal, Meter::Bytes) => "principal.bytes",
            (Self::Principal, Meter::Connections) => "principal.connection_rate",
            (Self::Agency, Meter::Requests) => "agency.requests",
            (Self::Agency, Meter::Bytes) => "agency.bytes",
            (Self::Agency, Meter::Connections) => "agency.connection_rate",
        }
    }

    fn held(self, held: Held) -> &'static str {
        match (self, held) {
            (Self::Principal, Held::Call) => "principal.calls",
            (Self::Principal, Held::Stream) => "principal.streams",
            (Self::Principal, Held::Connection) => "principal.connections",
            (Self::Agency, Held::Call) => "agency.calls",
            (Self::Agency, Held::Stream) => "agency.streams",
            (Self::Agency, Held::Connection) => "agency.connections",
        }
    }
}

/// None if the semaphore is closed, which ours never are.
async fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(places).acquire_owned().await.ok()
}

#[cfg(test)]
mod tests;
