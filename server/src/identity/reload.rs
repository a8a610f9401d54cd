//! Reads the files again when they change, and puts what each member's say in force, all of it or none.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{IdentityError, Members, ServerCertificate, ServerIdentity, Watched};
use crate::config::Config;

/// Longest wait until files are left alone; somebody may go on writing for ever.
const LONGEST_SETTLING: Duration = Duration::from_secs(1);

/// Puts members that were read in force, or says why not; then the old ones stay.
pub type Apply = Box<dyn Fn(Members) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// How often files were read again.
#[derive(Debug, Default)]
pub struct ReloadCounts {
    /// Times that what was read was put in force.
    pub reloads: AtomicU64,
    /// Times that something was broken and the old state stayed.
    pub failures: AtomicU64,
}

/// Follows the files of members and of the broker's own certificate.
pub struct Reload {
    config: Config,
    watched: Watched,
    certificate: Arc<ServerCertificate>,
    apply: Apply,
    hangup: Signal,
    counts: Arc<ReloadCounts>,
    /// The last failure was one that may pass without a change of the files.
    try_again: bool,
}

/// Why the files are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The system told of a change.
    Told,
    /// They look otherwise than before.
    Seen,
    /// SIGHUP.
    Asked,
}

#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Files(#[from] IdentityError),
    #[error("what was read could not be put in force: {0:#}")]
    Apply(anyhow::Error),
    #[error("reading was cut short: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Reload {
    /// Prepares to follow the files; `watched` was begun before they were first read. From now on SIGHUP ends nothing.
    pub fn new(
        config: &Config,
        watched: Watched,
        certificate: Arc<ServerCertificate>,
        apply: Apply,
    ) -> io::Result<Self> {
        Ok(Self {
            config: config.clone(),
            watched,
            certificate,
            apply,
            hangup: signal(SignalKind::hangup())?,
            counts: Arc::default(),
            try_again: false,
        })
    }

    /// How often it was done, for whoever shows it.
    pub fn counts(&self) -> Arc<ReloadCounts> {
        Arc::clone(&self.counts)
    }

    /// Follows the files until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        let mut poll = interval(Duration::from_millis(self.config.identity.poll_ms));
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = Arc::clone(&self.watched.told);
            let cause = tokio::select! {
                Some(()) = self.hangup.recv() => Cause::Asked,
                () = told.notified() => Cause::Told,
                _ = poll.tick() => {
                    let looks_changed = tokio::task::block_in_place(|| self.watched.look());
                    if !looks_changed && !self.try_again {
                        continue;
                    }
                    Cause::Seen
                }
            };
            if cause != Cause::Asked {
                self.settle().await;
            }
            self.reload(cause).await;
        }
    }

    /// Waits until nothing was written for a while: several files of one change are read together.
    async fn settle(&self) {
        let quiet = Duration::from_millis(self.config.identity.debounce_ms);
        let latest = sleep_until(Instant::now() + LONGEST_SETTLING);
        tokio::pin!(latest);
        loop {
            tokio::select! {
                () = &mut latest => return,
                () = sleep(quiet) => return,
                () = self.watched.told.notified() => {}
            }
        }
    }

    async fn reload(&mut self, cause: Cause) {
        let outcome = self.read_and_apply(cause).await;
        match outcome {
            Ok((members, signers)) => {
                self.counts.reloads.fetch_add(1, Ordering::Relaxed);
                tracing::info!(
                    ?cause,
                    members,
                    signers,
                    "members and certificate read again"
                );
            }
            Err(error) => {
                self.try_again = error.may_pass();
                let error = one_line(&error.to_string());
                let failures = self.counts.failures.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::error!(
                    ?cause,
                    error,
                    failures,
                    "reload refused; what was read before stays in force"
                );
            }
        }
    }

    /// Everything is read before anything is put in force.
    async fn read_and_apply(&mut self, cause: Cause) -> Result<(usize, usize), ReloadError> {
        tokio::task::block_in_place(|| {
            if cause == Cause::Seen {
                self.watched.watch_again();
            }
            self.watched.note();
        });
        let config = self.config.clone();
        let read = spawn_blocking(move || {
            Ok::<_, IdentityError>((Members::load(&config)?, ServerIdentity::load(&config.tls)?))
        });
        let (members, identity) = read.await??;
        members.log_faults();
        members.log_expired_crls();
        let faults = members.faults().iter();
        self.try_again = faults.map(|fault| &fault.error).any(may_pass);
        let counts = members.counts();
        (self.apply)(members).await.map_err(ReloadError::Apply)?;
        self.certificate.replace(identity);
        Ok(counts)
    }
}

/// What a parser says over several lines, as one line of the log.
pub(super) fn one_line(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_matches([' ', '|', '^']));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

fn may_pass(error: &IdentityError) -> bool {
    match error {
        IdentityError::Read { source, .. } => !matches!(
            source.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
        ),
        _ => false,
    }
}

impl ReloadError {
    /// Out of memory or file descriptors, say: what somebody could bring about to put off a revocation. What is wrong in a
    /// file, or missing, stays so until the files change.
    fn may_pass(&self) -> bool {
        match self {
            Self::Files(error) => may_pass(error),
            Self::Apply(_) | Self::Task(_) => true,
        }
    }
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reload")
            .field("watched", &self.watched)
            .finish_non_exhaustive()
    }
}
