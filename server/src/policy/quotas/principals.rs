//! The accounts of principals: a bounded map, as an agency's authority can make principals without end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::account::Account;

/// Accounts by SPIFFE ID. Those that nobody holds make room, the longest unused first; what they forget is only how far
/// their rates were used up, and the agency's account remembers that.
#[derive(Debug)]
pub(super) struct Principals {
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    accounts: HashMap<String, (Arc<Account>, u64)>,
    /// Counts look-ups: tells what was used last.
    tick: u64,
}

impl Principals {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            known: Mutex::default(),
        }
    }

    /// The account of a principal, made if need be. None if there are too many that are held.
    pub(super) fn get(&self, id: &str, make: impl FnOnce() -> Account) -> Option<Arc<Account>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.tick += 1;
        let tick = known.tick;
        if let Some((account, used)) = known.accounts.get_mut(id) {
            *used = tick;
            return Some(Arc::clone(account));
        }
        if known.accounts.len() >= self.most {
            known.make_room();
            if known.accounts.len() >= self.most {
                return None;
            }
        }
        let account = Arc::new(make());
        known
            .accounts
            .insert(id.to_owned(), (Arc::clone(&account), tick));
        Some(account)
    }
}

impl Known {
    /// Forgets an eighth, so that the search is paid for by many.
    fn make_room(&mut self) {
        let mut idle: Vec<_> = self
            .accounts
            .iter()
            .filter(|(_, (account, _))| Arc::strong_count(account) == 1)
            .map(|(id, (_, used))| (*used, id.clone()))
            .collect();
        idle.sort_unstable();
        idle.truncate((self.accounts.len() / 8).max(1));
        for (_, id) in idle {
            self.accounts.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, policy::quotas::Time};

    fn make() -> Account {
        let config = config::Quotas::default();
        Account::new(&config.officer, &config, &Time::real())
    }

    #[test]
    fn idle_principals_make_room_and_held_ones_stay() {
        let principals = Principals::new(64);
        let held = principals.get("held", make).unwrap();
        for n in 0..1_000 {
            assert!(principals.get(&format!("p{n}"), make).is_some());
        }
        assert!(Arc::ptr_eq(&held, &principals.get("held", make).unwrap()));
        let known = principals.known.lock().unwrap();
        assert!(known.accounts.len() <= 64);
        assert!(known.accounts.contains_key("p999"));
        assert!(!known.accounts.contains_key("p0"));
    }

    #[test]
    fn a_map_full_of_held_principals_takes_no_more() {
        let principals = Principals::new(64);
        let mut held: Vec<_> = (0..64)
            .map(|n| principals.get(&n.to_string(), make).unwrap())
            .collect();
        assert!(principals.get("one more", make).is_none());
        held.pop();
        assert!(principals.get("one more", make).is_some());
    }
}
