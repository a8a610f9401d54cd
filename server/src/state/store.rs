//! The store: an overlay of what was recorded but is not in sled yet, over sled.

use std::{
    collections::HashMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use casebroker_proto::names::{AgencyName, CaseName};

use super::{CaseRecord, Change, RequestId, StateError, keys, session::Session, writer::Writer};

/// The state store. Reads see what was staged, at once; sled follows behind.
pub struct Store {
    shared: Arc<Shared>,
    writer: Mutex<Option<Writer>>,
    session: Session,
    path: PathBuf,
}

/// What readers and the writing thread share.
pub(super) struct Shared {
    pub(super) db: sled::Db,
    /// What sled does not have yet; an entry leaves once it has.
    pub(super) overlay: RwLock<Overlay>,
}

/// What was staged and is not in sled yet.
#[derive(Default)]
pub(super) struct Overlay {
    /// Key → (position that last changed it, value).
    pub(super) pairs: HashMap<Vec<u8>, (u64, Vec<u8>)>,
    /// Position after the last statement staged.
    pub(super) next_position: u64,
}

/// What opening did.
#[derive(Debug)]
pub struct Opened {
    /// Everything before this position is in the store.
    pub applied: u64,
    /// Set if an earlier store was moved aside: where to, and why.
    pub moved_aside: Option<(PathBuf, String)>,
}

impl Store {
    /// Opens the store in `dir`, or begins an empty one: if there is none, or if that there is cannot be trusted, in which
    /// case it is moved aside. `journal_size` is the number of entries in the journal; a store ahead of it is not its.
    pub fn open(
        dir: &Path,
        cache_bytes: u64,
        journal_size: u64,
    ) -> Result<(Self, Opened), StateError> {
        let file = |source| StateError::File {
            path: dir.into(),
            source,
        };
        fs::create_dir_all(dir).map_err(file)?;
        let session = Session::new(dir);
        let path = dir.join("sled");
        let mut moved_aside = None;
        let mut found = None;
        if path.exists() {
            match session.distrust()? {
                None => match open_sled(&path, cache_bytes) {
                    Ok((_, applied)) if applied > journal_size => {
                        moved_aside = Some(format!(
                            "it is at position {applied}, the journal at {journal_size}"
                        ));
                    }
                    Ok(opened) => found = Some(opened),
                    Err(why) => moved_aside = Some(why),
                },
                Some(why) => moved_aside = Some(why.into()),
            }
        }
        let moved_aside = match moved_aside {
            None => None,
            Some(why) => Some((move_aside(&path)?, why)),
        };
        let (db, applied) = match found {
            Some(opened) => opened,
            None => {
                open_sled(&path, cache_bytes).map_err(|why| file(std::io::Error::other(why)))?
            }
        };
        session.begin()?;
        let shared = Arc::new(Shared {
            db,
            overlay: RwLock::default(),
        });
        let writer = Writer::start(Arc::clone(&shared), &path)?;
        let store = Self {
            shared,
            writer: Mutex::new(Some(writer)),
            session,
            path,
        };
        Ok((
            store,
            Opened {
                applied,
                moved_aside,
            },
        ))
    }

    /// The record of a case; `None` if nothing was ever said about it.
    pub fn case(&self, name: &CaseName) -> Result<Option<CaseRecord>, StateError> {
        self.get(&keys::case(name), keys::decode_record)
    }

    /// Position that a request of this agency got.
    pub fn request(&self, agency: &AgencyName, id: &RequestId) -> Result<Option<u64>, StateError> {
        self.get(&keys::request(agency, id), keys::decode_position)
    }

    /// Positions of the registry's updates, oldest first. For the start only: what is staged and not written is not among
    /// them.
    pub fn registry_updates(&self) -> Result<Vec<u64>, StateError> {
        let pairs = self.shared.db.scan_prefix(keys::REGISTRY);
        pairs
            .map(|pair| {
                let (key, value) = pair?;
                keys::decode_position(&key, &value)
            })
            .collect()
    }

    /// Takes recorded entries in; they are found from now on. `next_position` is that after the last of them. Waits
    /// while sled is far behind.
    pub fn stage(&self, changes: &[Change], next_position: u64) -> Result<(), StateError> {
        let writer = self.writer.lock().unwrap_or_else(|e| e.into_inner());
        let writer = writer.as_ref().ok_or(StateError::Stopped)?;
        {
            let mut overlay = self
                .shared
                .overlay
                .write()
                .unwrap_or_else(|e| e.into_inner());
            for change in changes {
                let mut put = |key, position, value| overlay.pairs.insert(key, (position, value));
                match change {
                    Change::Statement(change) => {
                        let position = change.position;
                        let record = keys::encode_record(&change.record);
                        put(keys::case(&change.case), position, record);
                        let request = keys::request(&change.agency, &change.request_id);
                        put(request, position, position.to_be_bytes().to_vec());
                    }
                    Change::Registry(position) => {
                        let value = position.to_be_bytes().to_vec();
                        put(keys::registry(*position), *position, value);
                    }
                }
            }
            overlay.next_position = next_position;
            writer.staged(overlay.pairs.len());
        }
        writer.wait_for_room()
    }

    /// Waits until sled has everything staged.
    pub fn settle(&self) -> Result<(), StateError> {
        let writer = self.writer.lock().unwrap_or_else(|e| e.into_inner());
        writer.as_ref().ok_or(StateError::Stopped)?.settle()
    }

    /// Marks the store so that the next start builds it anew.
    pub fn condemn(&self) -> Result<(), StateError> {
        self.session.condemn()
    }

    /// Writes everything, syncs the files and marks the store as closed cleanly. Nothing can be staged afterwards.
    pub fn close(&self) -> Result<(), StateError> {
        let writer = self.writer.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(writer) = writer {
            writer.stop()?;
        }
        self.shared.db.flush()?;
        self.session.end(&self.path)
    }

    fn get<T>(
        &self,
        key: &[u8],
        decode: impl Fn(&[u8], &[u8]) -> Result<T, StateError>,
    ) -> Result<Option<T>, StateError> {
        {
            let overlay = self
                .shared
                .overlay
                .read()
                .unwrap_or_else(|e| e.into_inner());
            if let Some((_, value)) = overlay.pairs.get(key) {
                return decode(key, value).map(Some);
            }
        }
        // An entry leaves the overlay only after sled has it, so it cannot be missed in between.
        self.shared
            .db
            .get(key)?
            .map(|value| decode(key, &value))
            .transpose()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// sled panics on some damaged files where it should answer an error; both mean the same here.
pub(super) fn open_sled(path: &Path, cache_bytes: u64) -> Result<(sled::Db, u64), String> {
    let open = || -> Result<(sled::Db, u64), StateError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            .flush_every_ms(Some(1_000));
        let db = config.open()?;
        let applied = match db.get(keys::APPLIED)? {
            Some(value) => keys::decode_position(keys::APPLIED, &value)?,
            None if db.is_empty() => 0,
            None => {
                return Err(StateError::Value {
                    key: "m/applied".into(),
                });
            }
        };
        Ok((db, applied))
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("sled panicked while opening it".into()),
    }
}

fn move_aside(path: &Path) -> Result<PathBuf, StateError> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let aside = (0..1_000)
        .map(|n| path.with_extension(format!("aside-{seconds}-{n}")))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| path.with_extension("aside"));
    fs::rename(path, &aside).map_err(|source| StateError::File {
        path: path.into(),
        source,
    })?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Effect, StatementChange};

    fn change(position: u64, case: &str) -> StatementChange {
        StatementChange {
            position,
            agency: AgencyName::from_id("us-dea").unwrap(),
            request_id: u128::from(position).to_be_bytes(),
            case: CaseName::from_ids("us-dea", case).unwrap(),
            record: CaseRecord {
                statements: vec![(position, Effect::Reported)],
            },
        }
    }

    fn open(dir: &Path, journal_size: u64) -> (Store, Opened) {
        Store::open(dir, 1 << 20, journal_size).unwrap()
    }

    #[test]
    fn what_was_staged_is_found_at_once_and_after_a_clean_close() {
        let dir = tempfile::tempdir().unwrap();
        let (store, opened) = open(dir.path(), 0);
        assert_eq!(opened.applied, 0);
        let changes: Vec<_> = (0..500).map(|n| change(n, &format!("c{n}"))).collect();
        let staged: Vec<_> = changes.iter().cloned().map(Change::Statement).collect();
        store.stage(&staged, 500).unwrap();
        for _ in 0..2 {
            for c in &changes {
                assert_eq!(store.case(&c.case).unwrap().unwrap(), c.record);
                assert_eq!(
                    store.request(&c.agency, &c.request_id).unwrap(),
                    Some(c.position)
                );
            }
            store.settle().unwrap();
        }
        store.close().unwrap();
        drop(store);
        let (store, opened) = open(dir.path(), 500);
        assert_eq!(opened.applied, 500);
        assert!(opened.moved_aside.is_none());
        assert_eq!(
            store.case(&changes[499].case).unwrap().unwrap(),
            changes[499].record
        );
        assert_eq!(
            store
                .case(&CaseName::from_ids("us-dea", "other").unwrap())
                .unwrap(),
            None
        );
    }

    #[test]
    fn a_store_of_another_boot_a_condemned_one_and_one_ahead_of_the_journal_are_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        for how in ["boot", "condemned", "ahead"] {
            let (store, _) = open(dir.path(), 0);
            store
                .stage(&[Change::Statement(change(0, "a"))], 1)
                .unwrap();
            store.close().unwrap();
            match how {
                "boot" => fs::write(dir.path().join("session"), "another boot").unwrap(),
                "condemned" => store.condemn().unwrap(),
                _ => {}
            }
            drop(store);
            let journal_size = if how == "ahead" { 0 } else { 1 };
            let (store, opened) = open(dir.path(), journal_size);
            let (aside, why) = opened.moved_aside.unwrap();
            assert!(aside.exists(), "{why}");
            assert_eq!(opened.applied, 0);
            assert_eq!(store.case(&change(0, "a").case).unwrap(), None);
            drop(store);
            fs::remove_dir_all(dir.path()).unwrap();
        }
    }

    #[test]
    fn a_damaged_store_is_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path(), 0);
        store
            .stage(&[Change::Statement(change(0, "a"))], 1)
            .unwrap();
        store.close().unwrap();
        drop(store);
        fs::write(dir.path().join("sled/conf"), b"not a configuration").unwrap();
        let (_, opened) = open(dir.path(), 1);
        assert!(opened.moved_aside.is_some());
        assert_eq!(opened.applied, 0);
    }
}
