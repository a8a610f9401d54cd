//! What was computed from the journal and could not be trusted, moved aside: kept for whoever wants to know what happened to it,
//! but not many.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::durable;

/// Moves the file or folder at `path` aside, to `{path}.aside-{Unix time in milliseconds}`.
pub fn put(path: &Path) -> io::Result<PathBuf> {
    let milliseconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis());
    let aside = path.with_extension(format!("aside-{milliseconds:013}"));
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Removes all folders that were moved aside from `path` but the newest.
pub fn remove_older(path: &Path) -> io::Result<Vec<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{name}.aside");
    let mut asides = Vec::new();
    for entry in fs::read_dir(durable::parent(path))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            asides.push(entry.path());
        }
    }
    // The time stands in the name.
    asides.sort();
    asides.pop();
    for aside in &asides {
        fs::remove_dir_all(aside)?;
    }
    Ok(asides)
}
