//! The writing end: one contiguous write and one `fdatasync` for each group, and the change from segment to segment.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use super::directory::{Directory, Draft, Tail, fatal, is_full};
use super::format::{ENTRY_PREFIX_BYTES, GROUP_HEADER_BYTES, SEGMENT_HEADER_BYTES, encode_group};
use super::reader::{Reader, Shared};
use super::recovery::Found;
use super::{Durable, Options};
use crate::journal::{Group, GroupTrailer, JournalError, JournalReader};

/// A group's buffer that grew beyond this is given back after the group.
const KEEP_BUFFER_BYTES: usize = 8 << 20;

/// Owns the tail of the journal.
#[derive(Debug)]
pub struct Writer {
    directory: Directory,
    options: Options,
    tail: Tail,
    next_position: u64,
    /// The next segment in the making, started when the current one is half full: writing 64 MiB of zeros takes longer
    /// than a caller should wait.
    draft: Option<JoinHandle<io::Result<Draft>>>,
    buffer: Vec<u8>,
    /// Set by the first error and never cleared.
    poisoned: bool,
    shared: Arc<Shared>,
    /// Tells followers; dropped with the writer, which ends their waiting.
    follow: watch::Sender<u64>,
}

impl Writer {
    pub fn new(directory: Directory, options: Options, found: Found) -> Self {
        let next_position = found.durable.next_position;
        let shared = Arc::new(Shared::new(directory.path(), found.durable, found.index));
        Self {
            directory,
            options,
            tail: found.tail,
            next_position,
            draft: None,
            buffer: Vec::new(),
            poisoned: false,
            shared,
            follow: watch::Sender::new(next_position),
        }
    }

    pub fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(Reader::new(
            Arc::clone(&self.shared),
            self.follow.subscribe(),
        ))
    }

    pub fn append(&mut self, group: &Group<'_>) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let result = self.try_append(group);
        self.poisoned = result.is_err();
        result
    }

    fn try_append(&mut self, group: &Group<'_>) -> Result<(), JournalError> {
        if group.first_position != self.next_position {
            return Err(JournalError::InvalidGroup {
                reason: format!(
                    "it begins at position {}, the next position is {}",
                    group.first_position, self.next_position
                ),
            });
        }
        self.directory.check_locked()?;
        encode_group(group, self.tail.seed, &mut self.buffer)?;
        if self.tail.offset + self.buffer.len() as u64 > self.tail.file_bytes {
            self.begin_segment(self.buffer.len() as u64)?;
            // Checksums depend on the segment.
            encode_group(group, self.tail.seed, &mut self.buffer)?;
        }
        self.write()?;
        self.publish(group);
        self.tail.offset += self.buffer.len() as u64;
        if self.buffer.capacity() > KEEP_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        self.prepare_next();
        Ok(())
    }

    /// Nothing is retried: after a failed sync the kernel may have dropped the pages and call the next one a success.
    fn write(&self) -> Result<(), JournalError> {
        let path = || self.directory.segment_path(self.tail.first_position);
        self.tail
            .file
            .write_all_at(&self.buffer, self.tail.offset)
            .map_err(|source| fatal("writing", &path(), source))?;
        self.tail
            .file
            .sync_data()
            .map_err(|source| fatal("syncing", &path(), source))
    }

    /// Shows the group, durable now, to the readers: index first, so that every position they learn of can be found.
    fn publish(&mut self, group: &Group<'_>) {
        let entries_at = self.tail.offset + GROUP_HEADER_BYTES as u64;
        let lengths = group.entries.iter().map(|e| ENTRY_PREFIX_BYTES + e.len());
        let entries_bytes: usize = lengths.clone().sum();
        let trailer_bytes = self.buffer.len() - GROUP_HEADER_BYTES - entries_bytes;
        self.shared.index_mut().add_group(
            group.first_position,
            entries_at,
            lengths,
            trailer_bytes as u32,
        );
        self.next_position = group.tree_size;
        self.shared.durable.store(Arc::new(Durable {
            next_position: group.tree_size,
            last_group: Some(GroupTrailer {
                tree_size: group.tree_size,
                root: group.root,
                checkpoint: group.checkpoint.to_owned(),
            }),
        }));
        self.follow.send_replace(group.tree_size);
    }

    /// Starts making the next segment once this one is half full. Without a thread the change makes it itself.
    fn prepare_next(&mut self) {
        if self.draft.is_some() || self.tail.offset < self.tail.file_bytes / 2 {
            return;
        }
        let dir = self.directory.path().to_owned();
        let bytes = self.options.segment_bytes;
        let thread = thread::Builder::new().name("journal-next".to_owned());
        let make = move || {
            Draft::make(&dir, bytes).inspect_err(|error| {
                tracing::warn!(
                    %error, dir = %dir.display(), bytes,
                    "the next journal segment cannot be made; free space there now: when the present one is full, the broker \
                     tries once more and stops if it fails"
                );
            })
        };
        match thread.spawn(make) {
            Ok(thread) => self.draft = Some(thread),
            Err(error) => {
                tracing::warn!(%error, "no thread to make the next journal segment: the next change will stall")
            }
        }
    }

    /// Goes on in a new segment that has room for a group of `group_bytes`.
    fn begin_segment(&mut self, group_bytes: u64) -> Result<(), JournalError> {
        let draft = match self.draft.take().map(join) {
            Some(Ok(draft)) => Some(draft),
            // Space may have been freed since. A draft holds nothing, so to make it anew is not to retry a failed write.
            Some(Err(error)) if is_full(&error) => None,
            Some(Err(source)) => {
                let path = self.directory.path();
                return Err(fatal("making the next segment in", path, source));
            }
            None => None,
        };
        let bytes = self
            .options
            .segment_bytes
            .max(SEGMENT_HEADER_BYTES as u64 + group_bytes);
        self.tail = self.directory.new_segment(
            Some(&self.tail),
            draft,
            self.next_position,
            bytes,
            &self.options.log_origin,
        )?;
        self.shared
            .index_mut()
            .begin_segment(self.tail.first_position, self.tail.seed);
        Ok(())
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that nothing writes in the directory after its lock is gone.
    fn drop(&mut self) {
        if let Some(Ok(draft)) = self.draft.take().map(join) {
            draft.discard(self.directory.path());
        }
    }
}

fn join(thread: JoinHandle<io::Result<Draft>>) -> io::Result<Draft> {
    thread
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread that makes segments panicked")))
}
