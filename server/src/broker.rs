//! The whole house, wired in the order in which a submission goes through it:
//! identity, policy, intake, sequencer, journal, transparency, projections, delivery, api.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    api,
    config::Config,
    delivery::{self, Deliveries},
    identity::{Listener, Members, Registry, Reload, Watched},
    intake::Intake,
    journal::Journal as _,
    policy::{
        access::{self, Record},
        quotas::{Quotas, Time},
    },
    projections::{
        CaseReader,
        table::{self, Sharing, Table},
        text::{self, Text},
    },
    scans::Scans,
    sequencer::{Given, RegistryState, Running, Sequencer, stop_process},
    startup::{self, Recovered},
    state::Store,
    transparency::{Keeper, Receipts},
};

/// A broker that has recovered and listens, but does not serve yet.
pub struct Broker {
    listener: Listener,
    reload: Reload,
    rooms: api::Rooms,
    stopping: CancellationToken,
    parts: Parts,
    config: Config,
}

/// What has to be ended in order.
struct Parts {
    sequencer: Running,
    table: Arc<Table>,
    text: Arc<Text>,
    deliveries: Arc<Deliveries>,
    state: Arc<Store>,
    keeper: Keeper,
    record: Arc<Record>,
}

impl Broker {
    /// Checks everything on disk, then binds the address. Refuses if anything is not as it was left.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let watched = Watched::begin(&config);
        let registry = Arc::new(Registry::new(Members::load(&config)?));
        registry.current().log_faults();
        registry.current().log_expired_crls();
        let (members, signers) = registry.counts();
        tracing::info!(members, signers, "members loaded");

        // The table's snapshot is read while the journal is checked.
        let loading = table::Loading::begin(table::Options {
            dir: config.data_dir.join("table"),
            snapshot_every: Duration::from_secs(config.table.snapshot_s),
        })?;
        let Recovered {
            journal,
            log,
            state,
            membership,
            frontier,
            last_time,
        } = startup::recover(&config)?;
        let reader = journal.reader();
        let quotas = Arc::new(Quotas::new(&config.quotas, Time::real()));

        let record = open_record(&config)?;

        // The table keeps it, and those who need it are made before the table.
        let sharing = Arc::new(Sharing::default());

        // The way in.
        let intake = Intake::new(Arc::clone(&registry), Arc::clone(&membership));
        let given = Given {
            journal: Box::new(journal),
            log: Arc::clone(&log),
            state: Arc::clone(&state),
            registry: Arc::clone(&registry),
            membership: Arc::clone(&membership),
            frontier,
            last_time,
        };
        let (sequencer, running) = Sequencer::start(&config.sequencer, Arc::clone(&quotas), given)?;
        // What changed in the members' folder since the last start is on record before anybody is served.
        sequencer
            .update_registry(RegistryState::from(&*registry.current()), || {})
            .await?;
        let keeper = Keeper::start(config.checkpoint_dir(), Arc::clone(&log), |error| {
            stop_process("keeping the checkpoint", &error)
        })?;

        // The way out.
        let cases = CaseReader::new(
            Arc::clone(&reader),
            Arc::clone(&state),
            Arc::clone(&membership),
            Arc::clone(&sharing),
        );
        let table = Table::start(
            loading,
            cases.clone(),
            sharing,
            Arc::clone(&log),
            state.subscribe(),
        )?;
        let table = Arc::new(table);
        let root_at = {
            let log = Arc::clone(&log);
            Box::new(move |size| log.root_at(size))
        };
        let options = text::Options::new(&config.data_dir, &config.text);
        let followed = state.subscribe();
        let (text, opened) = Text::start(options, Arc::clone(&reader), followed, root_at)?;
        if let Some((aside, why)) = opened.moved_aside {
            tracing::warn!(aside = %aside.display(), why, "the text index was moved aside; it is built anew");
        }
        let text = Arc::new(text);
        let receipts = Receipts::new(reader, Arc::clone(&log));
        let scans = Arc::new(Scans::new(config.limits.scans)?);
        let given = delivery::Given {
            dir: config.data_dir.join("deliveries"),
            log_size: log.newest().size,
            config: config.delivery.clone(),
            table: Arc::clone(&table),
            cases: cases.clone(),
            receipts: receipts.clone(),
            scans: Arc::clone(&scans),
        };
        let deliveries = Deliveries::start(given, &membership.now())
            .context("the subscriptions' ledger cannot be used")?;

        let listener = Listener::bind(
            config.listen,
            &config.tls,
            Arc::clone(&registry),
            &config.limits,
        )
        .await?;
        // What changes is on record first, and then in force.
        let apply = {
            let (sequencer, registry) = (sequencer.clone(), Arc::clone(&registry));
            move |mut members: Members| -> BoxFuture<'static, anyhow::Result<()>> {
                let (sequencer, registry) = (sequencer.clone(), Arc::clone(&registry));
                Box::pin(async move {
                    members.keep_last_good(&registry.current());
                    let state = RegistryState::from(&members);
                    let install = move || registry.replace(members);
                    Ok(sequencer.update_registry(state, install).await?)
                })
            }
        };
        let reload = Reload::new(&config, watched, listener.certificate(), Box::new(apply))?;
        let stopping = CancellationToken::new();
        let rooms = api::Rooms {
            registry,
            intake,
            sequencer,
            cases,
            table: Arc::clone(&table),
            text: Arc::clone(&text),
            deliveries: Arc::clone(&deliveries),
            limits_of_table: config.table.clone(),
            membership,
            receipts,
            log,
            access: record.reader(),
            record: Arc::clone(&record),
            policy: Arc::new(config.policy.clone()),
            limits: Arc::new(config.limits.clone()),
            stopping: stopping.clone(),
            readers: Arc::new(Semaphore::new(config.limits.readers)),
            scans,
            quotas,
        };
        let parts = Parts {
            sequencer: running,
            table,
            text,
            deliveries,
            state,
            keeper,
            record,
        };
        Ok(Self {
            listener,
            reload,
            rooms,
            stopping,
            parts,
            config,
        })
    }

    /// Serves until `stop` is done; then finishes what was accepted, within the configured time, and closes the files.
    pub async fn serve(
        self,
        address_file: Option<PathBuf>,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let Self {
            listener,
            reload,
            rooms,
            stopping,
            parts,
            config,
        } = self;
        let address = listener.address();
        if let Some(path) = address_file {
            write_whole(&path, &format!("{address}\n")).with_context(|| {
                format!("{}: the address file cannot be written", path.display())
            })?;
        }
        tracing::info!(%address, origin = rooms.log.identity.origin, entries = rooms.log.newest().size, "serving");

        tokio::spawn(reload.run(stopping.clone()));
        let connections = listener.run(stopping.clone());
        let mut served = tokio::spawn(api::serve(rooms, connections));
        let ended_early = tokio::select! {
            outcome = &mut served => Some(outcome),
            () = stop => None,
        };
        tracing::info!("stopping: finishing what was accepted");
        stopping.cancel();
        let limit = config.shutdown_timeout();
        let deadline = Instant::now() + limit;
        let outcome = match ended_early {
            Some(outcome) => outcome,
            // A peer that has fallen silent keeps its connection open; a fifth of the time is kept for the files.
            None => match tokio::time::timeout(limit * 4 / 5, &mut served).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    tracing::warn!("connections still open after {:?} are cut", limit * 4 / 5);
                    served.abort();
                    Ok(Ok(()))
                }
            },
        };
        // Waits for the queue to run dry; a stuck disk must not keep the process for ever.
        let closing = tokio::task::spawn_blocking(move || parts.close());
        tokio::time::timeout_at(deadline, closing)
            .await
            .context("the journal could not be closed in time; the next start checks it")???;
        outcome??;
        tracing::info!("stopped");
        Ok(())
    }
}

impl Parts {
    fn close(self) -> anyhow::Result<()> {
        self.sequencer.close();
        self.deliveries.stop();
        self.text.stop();
        self.keeper.stop();
        self.state.close()?;
        // Until here calls leave their lines.
        self.record.close();
        // Last, as its snapshot takes longest, and a start can do without it.
        self.table.stop();
        Ok(())
    }
}

/// Checks the access record and goes on from its end.
fn open_record(config: &Config) -> anyhow::Result<Arc<Record>> {
    let options = access::Options {
        dir: config.access_dir(),
        head_dir: config.checkpoint_dir().to_owned(),
        rotate_bytes: config.access.rotate_bytes,
        rotate_after: Duration::from_secs(config.access.rotate_hours * 3_600),
        keep_files: config.access.keep_files,
        verify_files: config.access.verify_files,
    };
    let (record, opened) = Record::open(options, |error| {
        stop_process("syncing the access record", &error)
    })
    .context("the access record cannot be used")?;
    let (lines, files) = (opened.last.sequence, opened.files);
    tracing::info!(
        lines,
        files,
        checked = opened.lines,
        "access record checked"
    );
    if let Some(cut) = opened.cut {
        tracing::warn!(
            ?cut,
            "an incomplete last line of the access record was cut off"
        );
    }
    if opened.head_missing {
        tracing::warn!("there was no `access-head`: lines missing at the end would not show");
    }
    Ok(Arc::new(record))
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// Whoever waits for the file never sees half of it.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    fs::write(&draft, text)?;
    fs::rename(&draft, path)
}
