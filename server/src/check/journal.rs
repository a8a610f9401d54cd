//! Journal, tree file and kept checkpoint: read once, forward.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
};

use casebroker_proto::{
    entry::check_entry,
    tlog::{Checkpoint, Extension, Frontier, HASH_BYTES, Hash, SignedNote, leaf_hash},
};

use super::{
    Subject,
    report::{Bar, Part, Verdict, count},
};
use crate::{
    journal::{
        GroupTrailer, JournalError,
        segments::{Recovery, Segments},
    },
    transparency::read_kept_checkpoint,
};

/// Most findings of one kind that are named; the rest are counted.
const MOST: usize = 20;

/// What came out.
pub(super) struct Checked {
    pub(super) parts: Vec<Part>,
    /// Entries in whole groups; `None` if the journal could not be read through.
    pub(super) entries: Option<u64>,
}

/// The kept checkpoint: what it says, and whether its signature was verified.
pub(super) struct Kept(Result<Checkpoint, String>);

/// Reads the kept checkpoint.
pub(super) fn kept(subject: &Subject) -> anyhow::Result<Option<Kept>> {
    let text = read_kept_checkpoint(&subject.checkpoint_dir)?;
    Ok(text.map(|text| Kept(open(subject, &text))))
}

/// Checks journal, tree and kept checkpoint.
pub(super) fn check(subject: &Subject, kept: Option<&Kept>) -> Checked {
    let dir = subject.data.join("journal");
    match Segments::exists(&dir) {
        Ok(true) => {}
        Ok(false) => return nothing(subject, kept),
        Err(error) => return unread(Part::new("journal", Verdict::Bad, "cannot be read"), &error),
    }
    let known = kept.and_then(|kept| kept.0.as_ref().ok());
    let expected = known.map(|c| (c.size, c.root.into()));
    let mut scan = Scan::new(subject);
    let mut checkpoint = checkpoint_part(subject, kept);
    let outcome = match scan.run(&dir, expected) {
        Err(
            error @ (JournalError::BehindCheckpoint { .. } | JournalError::OtherHistory { .. }),
        ) => {
            checkpoint.bad(error.to_string());
            // The rest of the journal may be whole all the same.
            scan = Scan::new(subject);
            scan.run(&dir, None)
        }
        other => other,
    };
    let recovery = match outcome {
        Ok(recovery) => recovery,
        Err(error) => {
            let part = Part::new(
                "journal",
                Verdict::Bad,
                "is damaged; what follows was not read",
            );
            let mut checked = unread(part, &error);
            checked.parts.push(checkpoint);
            return checked;
        }
    };
    let entries = recovery.entries;
    Checked {
        parts: vec![
            scan.journal_part(subject, &recovery),
            scan.tree_part(subject),
            checkpoint,
        ],
        entries: Some(entries),
    }
}

fn nothing(subject: &Subject, kept: Option<&Kept>) -> Checked {
    let mut part = Part::new("journal", Verdict::Note, "there is none");
    if kept.is_some() {
        part.bad(format!(
            "{}: there is no journal, but a checkpoint is kept in {}",
            subject.data.join("journal").display(),
            subject.checkpoint_dir.display()
        ));
    }
    Checked {
        parts: vec![part],
        entries: Some(0),
    }
}

fn unread(mut part: Part, error: &JournalError) -> Checked {
    part.bad(error.to_string());
    Checked {
        parts: vec![
            part,
            Part::new(
                "tree",
                Verdict::Skipped,
                "not compared: the journal is damaged",
            ),
        ],
        entries: None,
    }
}

fn checkpoint_part(subject: &Subject, kept: Option<&Kept>) -> Part {
    match kept {
        None if subject.configured => Part::new("checkpoint", Verdict::Note, "none is kept"),
        None => Part::new(
            "checkpoint",
            Verdict::Note,
            "none in the data directory; --config tells where it is kept",
        ),
        Some(Kept(Err(why))) => {
            let mut part = Part::new("checkpoint", Verdict::Ok, "cannot be believed");
            let path = subject.checkpoint_dir.join("checkpoint");
            part.bad(format!("{}: {why}", path.display()));
            part
        }
        Some(Kept(Ok(checkpoint))) => {
            let entries = count(checkpoint.size, "entry", "entries");
            let signed = match subject.verifier {
                Some(_) => "signature verified",
                None => "signature not verified: the log's key is unknown",
            };
            Part::new("checkpoint", Verdict::Ok, format!("{entries}; {signed}"))
                .figure("tree_size", checkpoint.size)
                .figure("root", checkpoint.root.to_string())
        }
    }
}

/// Opens a checkpoint; without a key it is only read.
fn open(subject: &Subject, text: &str) -> Result<Checkpoint, String> {
    let checkpoint = match &subject.verifier {
        Some(verifier) => {
            let origin = subject.origin.as_deref().unwrap_or(verifier.name());
            Checkpoint::open(text, verifier, origin)
        }
        None => text
            .parse::<SignedNote>()
            .map_err(Into::into)
            .and_then(|note| Checkpoint::parse(note.text())),
    };
    checkpoint.map_err(|e| e.to_string())
}

/// Findings of one kind: the first [`MOST`], and how many more there are.
#[derive(Default)]
struct Findings {
    named: Vec<String>,
    more: u64,
}

impl Findings {
    fn add(&mut self, finding: String) {
        match self.named.len() < MOST {
            true => self.named.push(finding),
            false => self.more += 1,
        }
    }

    fn report(&mut self, what: &str, part: &mut Part) {
        for finding in self.named.drain(..) {
            part.bad(finding);
        }
        if self.more > 0 {
            part.bad(format!("and {} more such {what}", self.more));
        }
    }
}

/// One reading of the journal.
struct Scan<'a> {
    subject: &'a Subject,
    frontier: Frontier,
    signed: u64,
    unsigned: Findings,
    malformed: Findings,
    tree: TreeScan,
}

impl<'a> Scan<'a> {
    fn new(subject: &'a Subject) -> Self {
        Self {
            subject,
            frontier: Frontier::default(),
            signed: 0,
            unsigned: Findings::default(),
            malformed: Findings::default(),
            tree: TreeScan::open(&subject.data.join("tree")),
        }
    }

    fn run(
        &mut self,
        dir: &Path,
        expected: Option<(u64, [u8; 32])>,
    ) -> Result<Recovery, JournalError> {
        let subject = self.subject;
        let stated = Segments::origin(dir).unwrap_or_default();
        let origin = subject.origin.clone().unwrap_or(stated);
        let bar = Bar::of("journal", folder_bytes(dir));
        let mut bytes = 0;
        let mut visit = |position: u64, entries: &[&[u8]], trailer: &GroupTrailer| {
            bytes += entries.iter().map(|entry| entry.len() as u64).sum::<u64>();
            bar.at(bytes);
            self.group(position, entries, trailer)
        };
        let outcome = Segments::look(dir, &origin, expected, subject.is_live(), &mut visit);
        bar.done();
        outcome
    }

    fn group(
        &mut self,
        position: u64,
        entries: &[&[u8]],
        trailer: &GroupTrailer,
    ) -> Result<(), String> {
        let extension = Extension::new(&self.frontier, entries.iter().map(|e| leaf_hash(e)));
        if extension.size() != trailer.tree_size || *extension.root().as_bytes() != trailer.root {
            return Err(format!(
                "the entries hash to root {} at size {}, the group says another",
                extension.root(),
                extension.size()
            ));
        }
        for (at, entry) in (position..).zip(entries) {
            if let Err(why) = check_entry(entry) {
                self.malformed.add(format!("entry at position {at}: {why}"));
            }
        }
        match open(self.subject, &trailer.checkpoint) {
            Ok(c) if c.size == trailer.tree_size && *c.root.as_bytes() == trailer.root => {
                self.signed += 1;
            }
            Ok(c) => self.unsigned(
                position,
                &format!("it is of {} entries with root {}", c.size, c.root),
            ),
            Err(why) => self.unsigned(position, &why),
        }
        self.tree
            .compare(extension.first_stored_index(), extension.nodes());
        self.frontier = extension.into_frontier();
        Ok(())
    }

    fn unsigned(&mut self, position: u64, why: &str) {
        self.unsigned.add(format!(
            "checkpoint of the group at position {position}: {why}"
        ));
    }

    fn journal_part(&mut self, subject: &Subject, recovery: &Recovery) -> Part {
        let signed = match subject.verifier {
            Some(_) => format!("{} signatures verified", self.signed),
            None => "signatures not verified: the log's key is unknown (--config or --vkey)".into(),
        };
        let summary = format!(
            "{} in {} and {}, {} bytes, root {}; {signed}",
            count(recovery.entries, "entry", "entries"),
            count(recovery.groups, "group", "groups"),
            count(recovery.segments, "segment", "segments"),
            recovery.bytes,
            self.frontier.root(),
        );
        let mut part = Part::new("journal", Verdict::Ok, summary)
            .figure("entries", recovery.entries)
            .figure("groups", recovery.groups)
            .figure("segments", recovery.segments)
            .figure("bytes", recovery.bytes)
            .figure("root", self.frontier.root().to_string())
            .figure(
                "signatures_verified",
                subject.verifier.as_ref().map(|_| self.signed),
            );
        self.unsigned.report("groups", &mut part);
        self.malformed.report("entries", &mut part);
        if let Some(cut) = &recovery.cut {
            part.note(format!(
                "{} offset {} position {}: an incomplete last write of {} bytes, never acknowledged; the next start cuts it off",
                cut.segment, cut.offset, recovery.entries, cut.bytes
            ));
        }
        for path in &recovery.removed {
            part.note(format!(
                "{}: left over; the next start removes it",
                path.display()
            ));
        }
        part
    }

    fn tree_part(&self, subject: &Subject) -> Part {
        let tree = &self.tree;
        let part = |verdict, summary: String| {
            Part::new("tree", verdict, summary)
                .figure("nodes", tree.nodes)
                .figure("different", tree.different)
        };
        match (&tree.failed, tree.first_different) {
            (_, Some(offset)) => {
                let mut part = part(
                    Verdict::Bad,
                    format!("{} of {} nodes differ", tree.different, tree.nodes),
                );
                part.bad(format!(
                    "{} offset {offset}: another hash than the journal gives; proofs made from it are wrong until the next start makes it anew",
                    subject.data.join("tree").display()
                ));
                part
            }
            (Some(why), None) => {
                let mut part = part(
                    Verdict::Note,
                    "ends before the journal; the next start makes it anew".into(),
                );
                if !subject.is_live() {
                    part.note(why.clone());
                }
                part
            }
            (None, None) => part(
                Verdict::Ok,
                format!("{} nodes, as the journal gives them", tree.nodes),
            ),
        }
    }
}

/// The tree's file, compared as the journal is read.
struct TreeScan {
    file: Option<File>,
    nodes: u64,
    different: u64,
    first_different: Option<u64>,
    /// Why it could not be read on.
    failed: Option<String>,
}

impl TreeScan {
    fn open(path: &Path) -> Self {
        let (file, failed) = match File::open(path) {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(format!("{}: {error}", path.display()))),
        };
        Self {
            file,
            nodes: 0,
            different: 0,
            first_different: None,
            failed,
        }
    }

    fn compare(&mut self, first_stored_index: u64, nodes: &[Hash]) {
        let Some(file) = self.file.as_ref().filter(|_| self.failed.is_none()) else {
            return;
        };
        let begin = first_stored_index * HASH_BYTES as u64;
        let mut bytes = vec![0; nodes.len() * HASH_BYTES];
        if let Err(error) = file.read_exact_at(&mut bytes, begin) {
            self.failed = Some(format!("offset {begin}: {error}"));
            return;
        }
        for (n, (node, found)) in nodes.iter().zip(bytes.chunks(HASH_BYTES)).enumerate() {
            self.nodes += 1;
            if node.as_bytes() != found {
                self.different += 1;
                let offset = begin + (n * HASH_BYTES) as u64;
                self.first_different.get_or_insert(offset);
            }
        }
    }
}

fn folder_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|e| Some(e.metadata().ok()?.len())).sum()
}
