//! The development PKI, the public cases that come with the program, and the demonstration that uses both.
//!
//! What it is for: a newcomer's first command. What it promises: it talks to a real broker, started as a process of its own, by the
//! same SDK that an agency would use, and every figure that it prints has been checked. What it never does: touch a broker,
//! process or directory that it did not make itself.

mod agencies;
mod broker;
mod cases;
mod made_up;
pub mod pki;
mod screen;
mod site;
mod story;

use std::{
    future::pending,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

pub use self::cases::public_cases;
use self::{pki::Layout, screen::Screen, story::Stage};

/// Arguments of `casebroker demo`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// End after the story instead of serving on; exit status 1 if anything is not as claimed
    #[arg(long)]
    pub once: bool,
    /// Directory to make everything in, and to keep [default: a new one for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `casebroker demo`.
pub fn run(args: Args) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()
        .context("cannot start the runtime")?
        .block_on(tell(args))
}

async fn tell(args: Args) -> anyhow::Result<()> {
    let place = Place::choose(args.dir.as_deref())?;
    let mut stage = Stage::new(place.dir(), Screen::new());
    let told = tokio::select! {
        told = stage.tell(args.once) => told,
        () = interrupted() => Err(anyhow::anyhow!("it was interrupted")),
    };
    if let Err(error) = told {
        stage.give_up();
        // Kept, because the broker's own words are in there, and they may say more.
        let dir = place.keep();
        let dir = dir.display();
        return Err(error.context(format!(
            "the demonstration did not end well (all of it is in {dir})"
        )));
    }
    if args.once {
        stage.end().await?;
        return place.discard();
    }
    stage.invite(place.is_temporary())?;
    place.keep();
    interrupted().await;
    stage.end().await
}

/// The directory that all of it happens in.
enum Place {
    Given(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    fn choose(dir: Option<&Path>) -> anyhow::Result<Self> {
        let Some(dir) = dir else {
            let made = tempfile::Builder::new()
                .prefix("casebroker-demo-")
                .tempdir()
                .context("cannot make a directory for temporary files; name one with --dir")?;
            return Ok(Self::Temporary(made));
        };
        // Absolute, so that the lines printed at the end work from anywhere.
        let dir = std::path::absolute(dir).with_context(|| dir.display().to_string())?;
        let layout = Layout::new(&dir);
        let earlier = [
            layout.data(),
            layout.pki().to_owned(),
            layout.broker_config(),
        ];
        if let Some(found) = earlier.iter().find(|path| path.exists()) {
            let dir = story::quoted(&dir);
            bail!(
                "{} exists: an earlier demonstration was here, and nothing of it is overwritten\n  \
                 start its broker again:  {} serve --config {dir}/broker.toml\n  \
                 or begin anew:           rm -r {dir}",
                found.display(),
                story::casebroker()
            );
        }
        Ok(Self::Given(dir))
    }

    fn dir(&self) -> &Path {
        match self {
            Self::Given(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }

    fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_))
    }

    fn keep(self) -> PathBuf {
        match self {
            Self::Given(dir) => dir,
            Self::Temporary(dir) => dir.keep(),
        }
    }

    fn discard(self) -> anyhow::Result<()> {
        match self {
            Self::Given(_) => Ok(()),
            Self::Temporary(dir) => dir.close().context("cannot remove the directory"),
        }
    }
}

/// Ends when somebody asks for an end: Ctrl-C, or SIGTERM.
async fn interrupted() {
    let mut terminate = signal(SignalKind::terminate()).ok();
    let terminated = async {
        match &mut terminate {
            Some(terminate) => terminate.recv().await,
            None => pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_demonstration_is_left_alone_and_pointed_at() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Place::choose(Some(dir.path())).is_ok());
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let error = Place::choose(Some(dir.path())).err().unwrap().to_string();
        assert!(
            error.contains(" serve --config") && error.contains("rm -r"),
            "{error}"
        );
    }

    #[test]
    fn a_temporary_place_goes_away_and_a_given_one_stays() {
        let given = tempfile::tempdir().unwrap();
        Place::choose(Some(given.path()))
            .unwrap()
            .discard()
            .unwrap();
        assert!(given.path().exists());
        let temporary = Place::choose(None).unwrap();
        let path = temporary.dir().to_owned();
        assert!(temporary.is_temporary());
        temporary.discard().unwrap();
        assert!(!path.exists());
    }
}
