//! Folders and small files that must be there after a power cut: each change is synced together with the folder that names it.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

/// Makes a folder and those above it that are missing, for this user only: entries are signed, not encrypted, and nobody
/// else on the machine has to read them. The parent of each folder made is synced. A folder that is there stays as it is.
pub fn create_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_dir(parent(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && parent(path) != path => {
            create_dir(parent(path))?;
            DirBuilder::new().mode(0o700).create(path)?;
            sync_dir(parent(path))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Replaces a file whole: either the old or the new text is there after a crash.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_dir(parent(path))
}

/// Syncs the names in a folder.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The folder that names `path`. That of a relative path of one part is the empty path, which cannot be opened.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn every_missing_folder_is_made_for_this_user_only_and_what_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("a");
        fs::create_dir(&there).unwrap();
        fs::set_permissions(&there, fs::Permissions::from_mode(0o755)).unwrap();
        let deep = there.join("b/c/d");
        for _ in 0..2 {
            create_dir(&deep).unwrap();
            for (path, mode) in [(&deep, 0o700), (&there.join("b"), 0o700), (&there, 0o755)] {
                let found = fs::metadata(path).unwrap().permissions().mode() & 0o777;
                assert_eq!(found, mode, "{}", path.display());
            }
        }
        fs::write(there.join("file"), "x").unwrap();
        assert!(create_dir(&there.join("file")).is_err());
        assert!(create_dir(&there.join("file/below")).is_err());
    }
}
