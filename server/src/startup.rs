//! From what is on disk to a broker that may serve: every entry is read, checked and hashed again, and the tree's root is
//! compared with every group's and with the checkpoint kept beside the journal. Whatever differs, the start refuses.

mod beginning;

use std::{
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, anyhow, bail};
use casebroker_proto::{
    entry::check_entry,
    names::CaseName,
    statement::{Content, open_entry},
    tlog::{Checkpoint, EMPTY_ROOT, Extension, Frontier, leaf_hash},
    v1::{Entry, RegistryUpdate},
};
use prost::Message as _;
use prost_types::Timestamp;

use crate::{
    config::Config,
    durable,
    journal::{
        GroupTrailer, Journal as _, JournalReader, ReadLimit,
        segments::{self, Held, Segments},
    },
    projections::{Membership, Statement},
    state::{Applied, CaseRecord, Change, RootAt, StatementChange, Store},
    transparency::{Identity, Log, LogError, Newest, TreeFile, load_kept_checkpoint},
};

/// What recovery found, ready to be wired.
#[derive(Debug)]
pub struct Recovered {
    /// The journal, at its tail.
    pub journal: Segments,
    /// The log over it.
    pub log: Arc<Log>,
    /// The state store, caught up.
    pub state: Arc<Store>,
    /// The registry's history.
    pub membership: Arc<Membership>,
    /// Frontier of the tree.
    pub frontier: Frontier,
    /// When the last entry was recorded.
    pub last_time: Timestamp,
}

/// Entries read at a time while the state store catches up.
const CATCH_UP: ReadLimit = ReadLimit {
    entries: 1_024,
    bytes: 8 << 20,
};

/// Space that the state store takes on disk, about, for each entry.
const STATE_BYTES_AN_ENTRY: u64 = 4_096;

/// Opens journal, tree and state in `config.data_dir`, or begins them if nothing is there at all. Nothing is changed, but
/// for the lock's note, before the journal's lock is held.
pub fn recover(config: &Config) -> anyhow::Result<Recovered> {
    let data = &config.data_dir;
    crate::identity::refuse_world_readable(&config.log.key)?;
    let identity = Identity::load(&config.log.origin, &config.log.key)?;
    let held = beginning::hold(config, &identity)?;
    let made = durable::create_dir(config.checkpoint_dir());
    made.with_context(|| format!("{}: cannot be made", config.checkpoint_dir().display()))?;
    let kept = load_kept_checkpoint(config.checkpoint_dir(), &identity)?;

    let tree = TreeFile::begin(&data.join("tree"))?;
    let (journal, frontier) = open_journal(config, held, &tree, kept.as_ref())?;
    let reader = journal.reader();
    let newest = check_last_group(&*reader, &identity, &frontier)?;
    let tree = tree.finish()?;

    let root_at = |size: u64| -> io::Result<Option<[u8; 32]>> {
        if size > newest.size {
            return Ok(None);
        }
        let root = tree.root(size).map_err(io::Error::other)?;
        Ok(Some(root.into()))
    };
    let state = open_state(config, &*reader, &root_at, newest.size)?;
    let membership = membership(&*reader, &state)?;
    let last_time = last_time(&*reader)?;
    let log = Log::new(identity, tree, newest);
    Ok(Recovered {
        journal,
        log,
        state: Arc::new(state),
        membership: Arc::new(membership),
        frontier,
        last_time,
    })
}

fn open_journal(
    config: &Config,
    held: Held,
    tree: &TreeFile,
    kept: Option<&Checkpoint>,
) -> anyhow::Result<(Segments, Frontier)> {
    let mut options = segments::Options::new(&config.log.origin);
    options.segment_bytes = config.journal.segment_bytes;
    let mut frontier = Frontier::default();
    if held.is_new()? {
        tracing::info!(dir = %config.data_dir.display(), "a new journal begins");
        return Ok((held.create(options)?, frontier));
    }
    let mut rehash = |_: u64, entries: &[&[u8]], trailer: &GroupTrailer| {
        let extension = Extension::new(&frontier, entries.iter().map(|entry| leaf_hash(entry)));
        if extension.size() != trailer.tree_size || *extension.root().as_bytes() != trailer.root {
            return Err(format!(
                "the entries hash to root {} at size {}, the group says another; an entry was changed together with \
                 its checksum",
                extension.root(),
                extension.size()
            ));
        }
        tree.append(extension.first_stored_index(), extension.nodes())
            .map_err(|e| e.to_string())?;
        frontier = extension.into_frontier();
        Ok(())
    };
    let expected = kept.map(|kept| (kept.size, kept.root.into()));
    let (journal, recovery) = held.open(options, expected, &mut rehash)?;
    let (entries, groups, segments) = (recovery.entries, recovery.groups, recovery.segments);
    tracing::info!(
        entries,
        groups,
        segments,
        bytes = recovery.bytes,
        "journal read and hashed"
    );
    if let Some(cut) = recovery.cut {
        let copy = cut.copy.as_deref().unwrap_or(Path::new("none"));
        tracing::warn!(
            segment = cut.segment, offset = cut.offset, bytes = cut.bytes, copy = %copy.display(),
            "an incomplete last write was cut off; it was never acknowledged"
        );
    }
    if kept.is_none() && entries > 0 {
        tracing::warn!(
            entries, dir = %config.checkpoint_dir().display(),
            "no checkpoint is kept beside the journal, so nobody can tell whether entries are missing at its end; if a broker \
             has served from here before, find out where its checkpoint went"
        );
    }
    Ok((journal, frontier))
}

/// The last group's checkpoint must be signed by this log, over what the entries hash to.
fn check_last_group(
    reader: &dyn JournalReader,
    identity: &Identity,
    frontier: &Frontier,
) -> anyhow::Result<Newest> {
    let Some(last) = reader.last_group() else {
        return Ok(Newest {
            size: 0,
            root: EMPTY_ROOT,
            checkpoint: "".into(),
        });
    };
    let checkpoint = identity
        .open(&last.checkpoint)
        .map_err(LogError::Checkpoint)
        .context(
            "the journal's last checkpoint is not signed by this log; was `log.key` changed?",
        )?;
    if checkpoint.size != frontier.size() || checkpoint.root != frontier.root() {
        bail!(
            "the journal's last checkpoint is of {} entries with root {}, the entries are {} with root {}",
            checkpoint.size,
            checkpoint.root,
            frontier.size(),
            frontier.root()
        );
    }
    Ok(Newest {
        size: checkpoint.size,
        root: checkpoint.root,
        checkpoint: last.checkpoint.into(),
    })
}

/// Opens the state store and brings it up to the journal.
fn open_state(
    config: &Config,
    reader: &dyn JournalReader,
    root_at: &RootAt<'_>,
    to: u64,
) -> anyhow::Result<Store> {
    let dir = config.data_dir.join("state");
    let (state, opened) = Store::open(&dir, config.state.cache_bytes, root_at)?;
    if let Some((aside, why)) = &opened.moved_aside {
        tracing::warn!(aside = %aside.display(), why, "the state store was moved aside and is built anew from the journal");
    }
    let from = opened.applied;
    let outcome = catch_up_or_condemn(reader, &state, root_at, from, to);
    if let Err(error) = &outcome
        && from > 0
        && !is_full(error)
    {
        tracing::warn!(%error, "the state store failed while it was brought up to the journal");
        // Marked as one that must not be used again, so opening it moves it aside.
        drop(state);
        return open_state(config, reader, root_at, to);
    }
    outcome.with_context(|| {
        format!(
            "{}: the state store could not be brought up to the journal; that takes up to {} MiB there, and any \
             `sled.aside-*` in it may be deleted to make room",
            dir.display(),
            (((to - from) * STATE_BYTES_AN_ENTRY) >> 20) + 1
        )
    })?;
    for aside in state.remove_older_asides()? {
        tracing::info!(aside = %aside.display(), "an older state store that had been moved aside was removed");
    }
    Ok(state)
}

/// Brings the state store up to the journal. If that does not end well, however it ends, the next opening builds the store anew: damaged
/// pages would fail each start.
fn catch_up_or_condemn(
    reader: &dyn JournalReader,
    state: &Store,
    root_at: &RootAt<'_>,
    from: u64,
    to: u64,
) -> anyhow::Result<()> {
    if from == to {
        return Ok(());
    }
    state.distrust_until_caught_up()?;
    // sled panics on some damaged pages.
    let run = || catch_up(reader, state, root_at, from, to);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    outcome.unwrap_or_else(|_| Err(anyhow!("sled panicked")))?;
    Ok(state.trust()?)
}

/// Whether an error says that there is no space.
fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| {
            matches!(
                cause.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        })
    })
}

/// Brings the state store up to the journal.
fn catch_up(
    reader: &dyn JournalReader,
    state: &Store,
    root_at: &RootAt<'_>,
    from: u64,
    to: u64,
) -> anyhow::Result<()> {
    let mut next = from;
    while next < to {
        let mut changes: Vec<Change> = Vec::new();
        // Records of the cases in this batch, which the store does not have yet.
        let mut records = HashMap::new();
        for record in reader.read(next, CATCH_UP)? {
            check_entry(&record.entry).with_context(|| {
                format!(
                    "the entry at position {} is none that a broker records; run `casebroker check`, or use a newer broker",
                    record.position
                )
            })?;
            let statement = Statement::decode(record.position, &record.entry)
                .with_context(|| undecodable(record.position))?;
            next = record.position + 1;
            changes.push(match statement {
                Some(statement) => Change::Statement(change(state, &mut records, statement)?),
                None => Change::Registry(record.position),
            });
        }
        let root = root_at(next)?.context("the tree is shorter than the journal")?;
        let applied = Applied {
            position: next,
            root,
        };
        state.stage(&changes, applied)?;
        if to - from > 100_000 {
            tracing::info!(position = next, of = to, "state store catching up");
        }
    }
    state.settle()?;
    if to > from {
        tracing::info!(
            entries = to - from,
            "state store caught up with the journal"
        );
    }
    Ok(())
}

/// The registry's history, from its updates in the journal.
fn membership(reader: &dyn JournalReader, state: &Store) -> anyhow::Result<Membership> {
    let mut updates: Vec<(u64, RegistryUpdate)> = Vec::new();
    for position in state.registry_updates()? {
        let records = reader.read(position, ReadLimit::ONE)?;
        let record = records.first().with_context(|| undecodable(position))?;
        match open_entry(&record.entry).with_context(|| undecodable(position))? {
            (_, Content::RegistryUpdate(update)) => updates.push((position, *update)),
            (_, Content::Statement(_)) => {
                bail!("the entry at position {position} is no update of the registry")
            }
        }
    }
    let membership = Membership::default();
    membership.apply(updates.iter().map(|(position, update)| (*position, update)));
    Ok(membership)
}

fn undecodable(position: u64) -> String {
    format!("the entry at position {position} cannot be decoded")
}

fn change(
    state: &Store,
    batch: &mut HashMap<CaseName, CaseRecord>,
    statement: Statement,
) -> anyhow::Result<StatementChange> {
    let Statement {
        position,
        agency,
        case,
        statement,
        ..
    } = statement;
    if statement.kind.is_none() {
        bail!(
            "the entry at position {position} is of a kind that this version does not know; use a newer broker"
        );
    }
    let record = match batch.remove(&case) {
        Some(record) => record,
        None => state.case(&case)?.unwrap_or_default(),
    };
    let request_id = uuid::Uuid::try_parse(&statement.request_id)
        .with_context(|| format!("the entry at position {position} has no request id"))?
        .into_bytes();
    let change = StatementChange::new(position, agency, request_id, case, record, &statement);
    batch.insert(change.case.clone(), change.record.clone());
    Ok(change)
}

fn last_time(reader: &dyn JournalReader) -> anyhow::Result<Timestamp> {
    let Some(last) = reader.next_position().checked_sub(1) else {
        return Ok(Timestamp::default());
    };
    let records = reader.read(last, ReadLimit::ONE)?;
    let record = records
        .first()
        .context("the journal's last entry cannot be read")?;
    let entry = Entry::decode(record.entry.as_ref())?;
    Ok(entry.record_time.unwrap_or_default())
}
