//! The store: an overlay of what was recorded but is not in sled yet, over sled.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
};

use casebroker_proto::names::{AgencyName, CaseName};
use tokio::sync::watch;

use super::{
    Applied, CaseRecord, Change, RequestId, StateError, Task, keys, session::Session,
    writer::Writer,
};
use crate::{aside, durable};

/// The state store. Reads see what was staged, at once; sled follows behind.
pub struct Store {
    pub(super) shared: Arc<Shared>,
    /// How far it is, for who follows.
    recorded: watch::Sender<u64>,
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
    /// How far the store is with it.
    pub(super) applied: Applied,
}

/// The log's root over its first so many entries; `None` beyond its end.
pub type RootAt<'a> = dyn Fn(u64) -> io::Result<Option<[u8; 32]>> + 'a;

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
    /// case it is moved aside. A store that is ahead of the log of `root_at`, or of another history, is not its.
    pub fn open(
        dir: &Path,
        cache_bytes: u64,
        root_at: &RootAt<'_>,
    ) -> Result<(Self, Opened), StateError> {
        let file = |source| StateError::File {
            path: dir.into(),
            source,
        };
        durable::create_dir(dir).map_err(file)?;
        let session = Session::new(dir);
        let path = dir.join("sled");
        let mut moved_aside = None;
        let mut found = None;
        let distrust = match path.exists() {
            true => session.distrust()?,
            false => None,
        };
        // Before sled opens, as opening writes.
        session.begin()?;
        if path.exists() {
            match distrust {
                None => match open_sled(&path, cache_bytes) {
                    Ok((db, applied)) => match foreign(&applied, root_at).map_err(file)? {
                        Some(why) => moved_aside = Some(why),
                        None => found = Some((db, applied.position)),
                    },
                    // A store that somebody uses is not to be moved away from under them.
                    Err(why) if why.contains(SLED_LOCKED) => {
                        return Err(file(io::Error::other(format!(
                            "another process has it open: {why}"
                        ))));
                    }
                    Err(why) => moved_aside = Some(why),
                },
                Some(why) => moved_aside = Some(why.into()),
            }
        }
        let moved_aside = match moved_aside {
            None => None,
            Some(why) => Some((aside::put(&path).map_err(file)?, why)),
        };
        let (db, applied) = match found {
            Some(opened) => opened,
            None => {
                let opened = open_sled(&path, cache_bytes);
                let (db, applied) = opened.map_err(|why| file(io::Error::other(why)))?;
                (db, applied.position)
            }
        };
        let shared = Arc::new(Shared {
            db,
            overlay: RwLock::default(),
        });
        let writer = Writer::start(Arc::clone(&shared), &path)?;
        let store = Self {
            shared,
            recorded: watch::Sender::new(applied),
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

    /// Until [`Self::trust`] the next opening builds it anew.
    pub fn distrust_until_caught_up(&self) -> Result<(), StateError> {
        self.session.condemn()
    }

    /// It is as the journal says.
    pub fn trust(&self) -> Result<(), StateError> {
        self.session.begin()
    }

    /// Says each time up to which position everything is found here.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.recorded.subscribe()
    }

    /// The record of a case; `None` if nothing was ever said about it.
    pub fn case(&self, name: &CaseName) -> Result<Option<CaseRecord>, StateError> {
        self.get(&keys::case(name), keys::decode_record)
    }

    /// Position that a request of this agency got.
    pub fn request(&self, agency: &AgencyName, id: &RequestId) -> Result<Option<u64>, StateError> {
        self.get(&keys::request(agency, id), keys::decode_position)
    }

    /// What waits for an agency or was begun by it before a position, newest first, at most so many.
    pub fn tasks(
        &self,
        agency: &AgencyName,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Task>, StateError> {
        let from = keys::tasks(agency);
        let to = [&from[..], &before.to_be_bytes()].concat();
        let pairs = self.newest(&from, &to, limit)?;
        let decoded = pairs
            .iter()
            .map(|(key, value)| keys::decode_task(key, value));
        decoded.collect()
    }

    /// The last pairs of a range of keys, greatest first, staged ones included.
    pub(super) fn newest(
        &self,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, StateError> {
        let mut found = BTreeMap::new();
        {
            let overlay = self
                .shared
                .overlay
                .read()
                .unwrap_or_else(|e| e.into_inner());
            let range = overlay.pairs.iter().filter(|(key, _)| {
                let key = key.as_slice();
                from <= key && key < to
            });
            found.extend(range.map(|(key, (_, value))| (key.clone(), value.clone())));
        }
        // What left the overlay meanwhile is in sled by now; what is in both is the same.
        for pair in self.shared.db.range(from..to).rev().take(limit) {
            let (key, value) = pair?;
            found.entry(key.to_vec()).or_insert_with(|| value.to_vec());
        }
        Ok(found.into_iter().rev().take(limit).collect())
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

    /// Takes recorded entries in; they are found from now on. `applied` is how far the store is with them. Waits while sled
    /// is far behind.
    pub fn stage(&self, changes: &[Change], applied: Applied) -> Result<(), StateError> {
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
                        for (agency, kind) in &change.tasks {
                            let task = keys::task(agency, position, *kind);
                            put(task, position, keys::encode_case(&change.case));
                        }
                    }
                    Change::Registry(position) => {
                        let value = position.to_be_bytes().to_vec();
                        put(keys::registry(*position), *position, value);
                    }
                }
            }
            overlay.applied = applied;
            writer.staged(overlay.pairs.len());
        }
        self.recorded.send_replace(applied.position);
        writer.wait_for_room()
    }

    /// Waits until sled has everything staged.
    pub fn settle(&self) -> Result<(), StateError> {
        let writer = self.writer.lock().unwrap_or_else(|e| e.into_inner());
        writer.as_ref().ok_or(StateError::Stopped)?.settle()
    }

    /// Removes stores that were moved aside but the newest, once this one is whole; tells which.
    pub fn remove_older_asides(&self) -> Result<Vec<PathBuf>, StateError> {
        aside::remove_older(&self.path).map_err(|source| StateError::File {
            path: self.path.clone(),
            source,
        })
    }

    /// Marks the store so that the next start builds it anew.
    pub fn condemn(&self) -> Result<(), StateError> {
        self.session.condemn()
    }

    /// Writes everything, syncs the files and marks the store as closed cleanly. Nothing can be staged afterwards.
    pub fn close(&self) -> Result<(), StateError> {
        let writer = self.writer.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(writer) = writer {
            // What it could not write may be half there.
            writer.stop().inspect_err(|_| drop(self.condemn()))?;
        }
        self.shared.db.flush()?;
        self.session.end(&self.path)
    }

    pub(super) fn get<T>(
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

/// Key and value.
type Pair = (Vec<u8>, Vec<u8>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What sled 0.34.7 says if another process has the store open. The error has no kind of its own.
const SLED_LOCKED: &str = "could not acquire lock";

/// sled panics on some damaged files where it should answer an error; both mean the same here.
pub(super) fn open_sled(path: &Path, cache_bytes: u64) -> Result<(sled::Db, Applied), String> {
    let open = || -> Result<(sled::Db, Applied), StateError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            .flush_every_ms(Some(1_000));
        let db = config.open()?;
        let applied = match db.get(keys::APPLIED)? {
            Some(value) => keys::decode_applied(&value)?,
            None if db.is_empty() => Applied::default(),
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

/// Why a store is not one of this log; `None` if it is.
fn foreign(applied: &Applied, root_at: &RootAt<'_>) -> io::Result<Option<String>> {
    let position = applied.position;
    Ok(match root_at(position)? {
        None => Some(format!(
            "it is at position {position}, beyond the end of the journal"
        )),
        // Nothing is in it yet.
        Some(_) if position == 0 => None,
        Some(root) if root == applied.root => None,
        Some(_) => Some(format!(
            "at position {position} it is of another history than the journal"
        )),
    })
}

#[cfg(test)]
mod tests;
