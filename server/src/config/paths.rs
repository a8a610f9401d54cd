//! The files and folders that a configuration names, looked at before anything is opened: what is missing or closed is told
//! with the key that led to it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{Config, ConfigError, line_of};

impl Config {
    /// Whether what must be there can be read, and what is written to can be. `file` is where the configuration came from.
    pub fn check_paths(&self, file: &Path) -> Result<(), ConfigError> {
        let refuse = |key: &'static str, path: &Path, problem: String| {
            let text = fs::read_to_string(file).unwrap_or_default();
            Err(ConfigError::Path {
                file: file.into(),
                line: line_of(&text, key),
                key,
                path: path.into(),
                problem,
            })
        };
        for (key, path) in [
            ("tls.certificate", &self.tls.certificate),
            ("tls.key", &self.tls.key),
            ("log.key", &self.log.key),
        ] {
            if let Err(error) = File::open(path)
                .and_then(|file| file.metadata())
                .and_then(a_file)
            {
                return refuse(key, path, unreadable(&error, "file"));
            }
        }
        if let Err(error) = fs::read_dir(&self.members_dir) {
            return refuse(
                "members_dir",
                &self.members_dir,
                unreadable(&error, "folder"),
            );
        }
        let optional = |key, dir: &Option<PathBuf>| dir.clone().map(|dir| (key, dir));
        let written = [
            Some(("data_dir", self.data_dir.clone())),
            optional("log.checkpoint_dir", &self.log.checkpoint_dir),
            optional("access.dir", &self.access.dir),
        ];
        for (key, dir) in written.into_iter().flatten() {
            if let Err(error) = writable(&dir) {
                return refuse(key, &dir, unwritable(&error, key));
            }
        }
        Ok(())
    }
}

fn a_file(metadata: fs::Metadata) -> io::Result<()> {
    match metadata.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(()),
    }
}

/// Nothing is made to find out: the folder, or the nearest one above it that exists, is asked.
fn writable(dir: &Path) -> io::Result<()> {
    let here = Path::new(".");
    let above = dir.ancestors().map(|path| match path.as_os_str() {
        empty if empty.is_empty() => here,
        _ => path,
    });
    for path in above {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Ok(access(path, Access::WRITE_OK | Access::EXEC_OK)?);
            }
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn unreadable(error: &io::Error, what: &str) -> String {
    let next = match error.kind() {
        io::ErrorKind::PermissionDenied => "let the broker's user read it",
        io::ErrorKind::NotFound => {
            "mend the path, which begins at the configuration's folder if it is relative, or put it there"
        }
        _ => return format!("{error}; a {what} is expected here"),
    };
    format!("{error}; {next}")
}

fn unwritable(error: &io::Error, key: &str) -> String {
    let next = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => "mount the volume for writing",
        io::ErrorKind::PermissionDenied => "let the broker's user write there",
        _ => "have a folder there that the broker's user may write to",
    };
    format!("{error}; {next}, or point `{key}` elsewhere")
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_says_what_to_do() {
        let said = |errno: Errno| unwritable(&errno.into(), "data_dir");
        assert!(said(Errno::ROFS).contains("mount the volume for writing"));
        assert!(said(Errno::ACCESS).contains("let the broker's user write there"));
        for errno in [Errno::ROFS, Errno::ACCESS, Errno::NOTDIR] {
            assert!(said(errno).ends_with("or point `data_dir` elsewhere"));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_writable_if_it_can_be_made() {
        let dir = tempfile::tempdir().unwrap();
        assert!(writable(&dir.path().join("a/b/c")).is_ok());
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = writable(&file.join("data")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        assert!(!dir.path().join("a").exists(), "nothing was made");
    }
}
