//! Opening: checks what is there, cuts an incomplete last write, and says where to go on.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use super::{
    AccessError, Chain, Fault, Head, Torn, head, lines::RecordFile, report::Report, verify::verify,
    writer::Options,
};

/// Where the writer goes on.
#[derive(Debug)]
pub struct Found {
    /// Files, oldest first; none at the very beginning.
    pub files: Vec<RecordFile>,
    /// The newest file, open at its end.
    pub file: Option<File>,
    /// End of the chain: the last line, or the header of a file that has none yet.
    pub chain: Chain,
    /// The last line.
    pub last_line: Chain,
    /// Last time used.
    pub last_time: Option<String>,
    /// When the newest file was begun.
    pub opened: Option<String>,
    /// Lines read.
    pub lines: u64,
    /// What was cut off.
    pub cut: Option<Torn>,
    /// Whether a head was kept.
    pub head: Option<Head>,
}

/// Checks the record and cuts an incomplete last write.
pub fn open(options: &Options) -> Result<Found, AccessError> {
    let dir = &options.dir;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(AccessError::file(dir))?;
    let head = head::load(&options.head_dir)?;
    let mut report = verify(dir, head.as_ref(), options.verify_files, &mut |_| {})?;
    if let Some(fault) = report.faults.first() {
        return Err(AccessError::Damaged(fault.clone()));
    }
    if let Some(torn) = &report.torn {
        cut(dir, torn, &mut report.files)?;
    }
    let chain = end(dir, &report)?;
    let file = match report.files.last() {
        Some(newest) => {
            Some(appending(&newest.path, false).map_err(AccessError::file(&newest.path))?)
        }
        None => None,
    };
    Ok(Found {
        files: report.files,
        file,
        chain,
        last_line: report.last_line.unwrap_or(Chain::BEGIN),
        last_time: report.last_time,
        opened: report.opened,
        lines: report.lines,
        cut: report.torn,
        head,
    })
}

/// Opens a file for appending; readable by the broker alone.
pub fn appending(path: &Path, new: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    if new {
        options.create_new(true);
    }
    options.open(path)
}

fn cut(dir: &Path, torn: &Torn, files: &mut Vec<RecordFile>) -> Result<(), AccessError> {
    let failed = AccessError::file(&torn.path);
    let change = || {
        if torn.line == 1 {
            // Nothing is in it; the next line begins it again under the same name.
            fs::remove_file(&torn.path)?;
            return File::open(dir)?.sync_all();
        }
        let file = OpenOptions::new().write(true).open(&torn.path)?;
        file.set_len(torn.offset)?;
        file.sync_all()
    };
    change().map_err(failed)?;
    if torn.line == 1 {
        files.pop();
    }
    Ok(())
}

fn end(dir: &Path, report: &Report) -> Result<Chain, AccessError> {
    match (report.last, report.files.is_empty()) {
        (Some(chain), _) => Ok(chain),
        (None, true) => Ok(Chain::BEGIN),
        (None, false) => Err(AccessError::Damaged(Fault {
            path: dir.into(),
            line: 0,
            offset: 0,
            sequence: 0,
            what: "the end of the chain is unknown".into(),
        })),
    }
}
