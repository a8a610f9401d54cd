//! The head of the chain, kept beside the kept checkpoint: what a cut tail shows by.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{AccessError, Chain, line::unhex};

/// Name of the file in its folder.
const FILE: &str = "access-head";
const FIRST_LINE: &str = "casebroker access record 1";
const OPEN: &str = "open";
const CLOSED: &str = "closed";

/// What was on disk when the head was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The last line: its sequence number and its hash.
    pub last: Chain,
    /// The broker had stopped: no line may follow.
    pub closed: bool,
}

/// Path of the file in its folder.
pub fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// The head kept in a folder, if there is one.
pub fn load(dir: &Path) -> Result<Option<Head>, AccessError> {
    let path = path(dir);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).map(Some).ok_or_else(|| AccessError::File {
            path,
            source: io::Error::other(
                "it is not a head of an access record: restore it, or remove it on purpose",
            ),
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AccessError::File { path, source }),
    }
}

/// Replaces the head whole: either the old or the new one is there after a crash.
pub fn store(dir: &Path, head: &Head) -> Result<(), AccessError> {
    let path = path(dir);
    let draft = path.with_extension("new");
    let text = format!(
        "{FIRST_LINE}\n{}\n{}\n{}\n",
        head.last.sequence,
        hex::encode(head.last.hash),
        if head.closed { CLOSED } else { OPEN }
    );
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(AccessError::file(&path))
}

fn parse(text: &str) -> Option<Head> {
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return None;
    }
    let sequence = lines.next()?.parse().ok()?;
    let mut hash = [0; 32];
    unhex(lines.next()?.as_bytes(), &mut hash)?;
    let closed = match lines.next()? {
        CLOSED => true,
        OPEN => false,
        _ => return None,
    };
    Some(Head {
        last: Chain { sequence, hash },
        closed,
    })
}
