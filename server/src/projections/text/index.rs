//! The index on disk: what tantivy is told to keep, and whether what is there can be trusted.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use casebroker_proto::v1::CaseReport;
use tantivy::{
    Directory as _, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, SegmentMeta,
    TantivyDocument, TantivyError,
    directory::META_LOCK,
    indexer::{IndexWriterOptions, LogMergePolicy},
    schema::{
        FAST, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
    },
    store::Compressor,
};

use super::{Fault, RootAt, folder::Folder, mark::Mark, tokens::Folding};
use crate::durable;

/// Name of the fast field.
pub(super) const POSITION: &str = "position";
const TEXT: &str = "text";
const TOKENIZER: &str = "folding";
/// Documents of a segment beyond which it is not merged any more: a merge of more would take minutes.
const MAX_MERGED_DOCUMENTS: usize = 1_000_000;

/// An open index. Closed when it is dropped, after which nothing changes its folder.
pub(super) struct Index {
    index: tantivy::Index,
    reader: IndexReader,
    folder: Folder,
}

/// The one that adds to an index.
pub(super) struct Writer(IndexWriter);

impl Index {
    /// Opens the index in `path`, if there is one that can be trusted; else says why not.
    pub(super) fn open(path: &Path, root_at: &RootAt) -> Result<(Self, Mark), String> {
        // It is made to panic on nothing, but it has to read what may be anything.
        let open = || Self::checked(path, root_at);
        catch_unwind(AssertUnwindSafe(open))
            .unwrap_or_else(|_| Err("tantivy panicked while opening it".into()))
    }

    /// Begins an empty index in `path`, which is not there yet.
    pub(super) fn begin(path: &Path) -> Result<Self, Fault> {
        durable::create_dir(path).map_err(|e| Fault::Index(e.to_string()))?;
        let folder = Folder::open(path).map_err(|e| Fault::Index(e.to_string()))?;
        let index = tantivy::Index::create(folder.clone(), schema(), settings())?;
        Ok(Self::with(index, folder)?)
    }

    /// The searcher of the newest commit.
    pub(super) fn searcher(&self) -> Result<Searcher, Fault> {
        self.reader.reload()?;
        Ok(self.reader.searcher())
    }

    /// The one writer, with so much memory for what is not on disk yet, bytes. Its threads have the caller's priority.
    pub(super) fn writer(&self, memory_bytes: usize) -> Result<Writer, Fault> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(memory_bytes)
            .build();
        let writer = self.index.writer_with_options(options)?;
        let mut merges = LogMergePolicy::default();
        merges.set_max_docs_before_merge(MAX_MERGED_DOCUMENTS);
        writer.set_merge_policy(Box::new(merges));
        Ok(Writer(writer))
    }

    /// What is wrong with the files of the newest commit; `None` if each is as it was written. Reads all of them.
    pub(super) fn damage(&self) -> Result<Option<String>, Fault> {
        let directory = self.index.directory();
        // While it is held, nothing of the newest commit is deleted.
        let _lock = directory
            .acquire_lock(&META_LOCK)
            .map_err(TantivyError::from)?;
        let managed = directory.list_managed_files();
        let meta = self.index.load_metas()?;
        if meta.segments.iter().any(SegmentMeta::has_deletes) {
            return Ok(Some("documents of it were deleted".into()));
        }
        for file in meta.list_segment_files() {
            let exists = directory.exists(&file).map_err(TantivyError::from)?;
            let wrong = match (exists, managed.contains(&file)) {
                // Of a kind that only some segments have.
                (false, false) => continue,
                (false, true) => "is missing",
                (true, false) => "is on no list",
                (true, true) => {
                    let checked = directory.validate_checksum(&file);
                    if checked.map_err(TantivyError::from)? {
                        continue;
                    }
                    "has another checksum"
                }
            };
            return Ok(Some(format!("{} {wrong}", file.display())));
        }
        Ok(None)
    }

    fn checked(path: &Path, root_at: &RootAt) -> Result<(Self, Mark), String> {
        let folder = Folder::open(path).map_err(|e| e.to_string())?;
        let index = tantivy::Index::open(folder.clone()).map_err(|e| e.to_string())?;
        if index.schema() != schema() || *index.settings() != settings() {
            return Err("it has other fields than this version makes".into());
        }
        let index = Self::with(index, folder).map_err(|e| e.to_string())?;
        let meta = index.index.load_metas().map_err(|e| e.to_string())?;
        let mark = match &meta.payload {
            Some(payload) => Mark::from_payload(payload)
                .ok_or("how far it is cannot be read, or it is of another version")?,
            None if meta.segments.is_empty() => Mark::default(),
            None => return Err("it does not say how far it is".into()),
        };
        if let Some(why) = index.damage().map_err(|e| e.to_string())? {
            return Err(why);
        }
        let documents: u64 = meta.segments.iter().map(|s| u64::from(s.max_doc())).sum();
        let searchable = index.reader.searcher().num_docs();
        if documents != mark.documents || searchable != mark.documents {
            let expected = mark.documents;
            return Err(format!("{documents} of {expected} documents are in it"));
        }
        match foreign(&mark, root_at)? {
            Some(why) => Err(why),
            None => Ok((index, mark)),
        }
    }

    fn with(index: tantivy::Index, folder: Folder) -> tantivy::Result<Self> {
        index.tokenizers().register(TOKENIZER, Folding);
        let builder = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        Ok(Self {
            reader: builder.doc_store_cache_num_blocks(0).try_into()?,
            index,
            folder,
        })
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.folder.shut();
    }
}

impl Writer {
    /// Adds the report that was recorded at a position.
    pub(super) fn add(&self, position: u64, report: &CaseReport) -> Result<(), Fault> {
        let (text, place) = (field(0), field(1));
        let mut document = TantivyDocument::default();
        document.add_u64(place, position);
        // Between the values of a field tantivy leaves a place free, so that no phrase goes on from one to the next.
        for value in texts(report) {
            document.add_text(text, value);
        }
        self.0.add_document(document)?;
        Ok(())
    }

    /// Makes everything added since the last commit searchable, once it is reloaded. Waits until it is written.
    pub(super) fn commit(&mut self, mark: &Mark) -> Result<(), Fault> {
        let mut commit = self.0.prepare_commit()?;
        commit.set_payload(&mark.to_payload());
        commit.commit()?;
        Ok(())
    }
}

/// What of a report can be looked for.
pub(super) fn texts(report: &CaseReport) -> impl Iterator<Item = &str> {
    let organizations = report.organizations.iter().map(|o| o.name.as_str());
    [report.title.as_str(), report.narrative.as_str()]
        .into_iter()
        .chain(organizations)
}

/// The field of the text.
pub(super) fn text() -> Field {
    field(0)
}

fn field(number: u32) -> Field {
    Field::from_field_id(number)
}

/// Fields in the order of their numbers. Nothing is stored and nothing is counted for ranking.
fn schema() -> Schema {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions)
        .set_fieldnorms(false);
    schema.add_text_field(TEXT, TextOptions::default().set_indexing_options(indexing));
    schema.add_u64_field(POSITION, NumericOptions::default() | FAST);
    schema.build()
}

fn settings() -> IndexSettings {
    IndexSettings {
        docstore_compression: Compressor::None,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    }
}

/// Why an index is not one of this log; `None` if it is.
fn foreign(mark: &Mark, root_at: &RootAt) -> Result<Option<String>, String> {
    let position = mark.position;
    Ok(match root_at(position).map_err(|e| e.to_string())? {
        None => Some(format!(
            "it is at position {position}, beyond the end of the journal"
        )),
        // Nothing is in it yet.
        Some(_) if position == 0 && mark.documents == 0 => None,
        Some(root) if root == mark.root => None,
        Some(_) => Some(format!(
            "at position {position} it is of another history than the journal"
        )),
    })
}
