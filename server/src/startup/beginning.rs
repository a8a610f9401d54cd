//! Whether a log may begin: only where nothing of a broker is. A journal that is missing is more likely lost, moved or not
//! mounted than new, and a new log in its place would give other entries the positions that receipts name.

use std::{fs, io, path::Path};

use anyhow::{Context as _, bail};

use crate::{
    config::Config,
    durable,
    journal::segments::{Held, Segments},
    transparency::{Identity, load_kept_checkpoint},
};

/// What a broker leaves in its data folder, beside the journal.
const IN_DATA: [&str; 4] = ["state", "tree", "checkpoint", "access"];
/// What it leaves in the folder of its checkpoint.
const IN_CHECKPOINT_DIR: [&str; 2] = ["checkpoint", "access"];

/// Takes the journal's folder, with a journal in it or fit for a new one. Where neither is so, refuses and changes nothing.
pub(super) fn hold(config: &Config, identity: &Identity) -> anyhow::Result<Held> {
    let dir = config.data_dir.join("journal");
    // Looked at first: a broker that starts at the same moment makes its lock before anything else.
    let mut remains = remains(config)?;
    if !Segments::exists(&dir)? {
        remains.extend(names(&dir, |_| true)?);
        if !remains.is_empty() {
            return refuse(config, identity, &dir, &remains);
        }
        let made = durable::create_dir(&config.data_dir);
        made.with_context(|| format!("{}: cannot be made", config.data_dir.display()))?;
    }
    let held = Held::take(&dir)?;
    if !held.holds_segments()? && !held.is_new()? {
        remains.extend(names(&dir, |_| true)?);
        return refuse(config, identity, &dir, &remains);
    }
    Ok(held)
}

fn refuse(
    config: &Config,
    identity: &Identity,
    dir: &Path,
    remains: &[String],
) -> anyhow::Result<Held> {
    let kept = load_kept_checkpoint(config.checkpoint_dir(), identity)
        .context("there is no journal, and the checkpoint kept beside it is not one of this log; was `log.key` or `log.origin` changed?")?;
    let kept = kept.map_or_else(String::new, |kept| {
        format!(
            " A checkpoint of {} entries is kept in {}.",
            kept.size,
            config.checkpoint_dir().display()
        )
    });
    bail!(
        "{}: there is no journal, but a broker has been here: there is {}.{kept} Bring the journal back, mount its volume or \
         point `data_dir` at it; it is never made anew over what another left. Only if that log never served anybody, as \
         after an interrupted first start, move all of this away and start again.",
        dir.display(),
        remains.join(", ")
    )
}

/// What of a broker is there, but for its journal.
fn remains(config: &Config) -> anyhow::Result<Vec<String>> {
    let begins = |known: &'static [&str]| {
        move |name: &str| known.iter().any(|known| name.starts_with(known))
    };
    let mut remains = names(&config.data_dir, begins(&IN_DATA))?;
    if config.checkpoint_dir() != config.data_dir {
        remains.extend(names(config.checkpoint_dir(), begins(&IN_CHECKPOINT_DIR))?);
    }
    Ok(remains)
}

fn names(dir: &Path, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<String>> {
    let read = || -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if wanted(&entry.file_name().to_string_lossy()) {
                found.push(entry.path().display().to_string());
            }
        }
        found.sort();
        Ok(found)
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names.with_context(|| format!("{}: cannot be read", dir.display())),
    }
}
