//! Looking at a store that nobody has open, without touching it.

use std::{fs, io, path::Path};

use super::{StateError, session::Session, store::open_sled};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// There is no store.
    NotThere,
    /// Everything before this position is in it.
    At(u64),
    /// The next start will not use it, for this reason.
    Unusable(String),
    /// It is larger than may be copied, bytes.
    TooLarge(u64),
}

/// Most that is copied, bytes.
const MAX_BYTES: u64 = 8 << 30;

/// The position of the store in `dir`. sled writes when it opens, so a copy in a temporary folder is opened.
pub fn look(dir: &Path) -> Result<Looked, StateError> {
    let file = |source| StateError::File {
        path: dir.into(),
        source,
    };
    let store = dir.join("sled");
    if !store.exists() {
        return Ok(Looked::NotThere);
    }
    if let Some(why) = Session::new(dir).distrust()? {
        return Ok(Looked::Unusable(why.into()));
    }
    let bytes = size(&store).map_err(file)?;
    if bytes > MAX_BYTES {
        return Ok(Looked::TooLarge(bytes));
    }
    let copy = tempfile::tempdir().map_err(file)?;
    let to = copy.path().join("sled");
    copy_dir(&store, &to).map_err(file)?;
    Ok(match open_sled(&to, 64 << 20) {
        Ok((_, applied)) => Looked::At(applied.position),
        Err(why) => Looked::Unusable(why),
    })
}

fn size(path: &Path) -> io::Result<u64> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_dir(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}
