//! How fast statements go in: the broker as its own process over mTLS on loopback, beside a service that does nothing over
//! the same TLS, in the same run. Read the ratios: absolute figures are those of one machine on one day.
//!
//!     cargo bench -p casebroker-tests --bench submit               the table
//!     cargo bench -p casebroker-tests --bench submit -- --quick    a short run, to see that it works
//!     cargo bench -p casebroker-tests --bench submit -- --million  memory while a million cases go in; `--million 3`: three

mod load;
mod noop;
mod table;

use std::{
    env, fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use casebroker_proto::{
    statement::{Envelope, SignerCertificate},
    v1::Statement,
    validation::{Clock, check_statement},
};
use casebroker_tests::{DEA, Site, cases, pki::Principal, wait};
use load::{Outcome, Shape};
use prost::Message as _;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["--noop", config, address_file] => runtime.block_on(noop::serve(
            PathBuf::from(config),
            PathBuf::from(address_file),
        )),
        ["--million", times @ ..] => {
            let times = times.iter().find_map(|t| t.parse::<usize>().ok());
            runtime.block_on(million(times.unwrap_or(1).clamp(1, 20) * 1_000_000))
        }
        rest => runtime.block_on(compare(if rest.contains(&"--quick") { 20 } else { 1 })),
    }
}

/// Shapes of the table with the number of statements of a full run.
const SHAPES: [(Shape, usize); 10] = [
    (
        Shape::Unary {
            in_flight: 1,
            connections: 1,
        },
        2_000,
    ),
    (
        Shape::Unary {
            in_flight: 16,
            connections: 1,
        },
        20_000,
    ),
    (
        Shape::Unary {
            in_flight: 64,
            connections: 1,
        },
        40_000,
    ),
    (
        Shape::Unary {
            in_flight: 256,
            connections: 1,
        },
        40_000,
    ),
    (
        Shape::Unary {
            in_flight: 16,
            connections: 4,
        },
        20_000,
    ),
    (
        Shape::Unary {
            in_flight: 64,
            connections: 4,
        },
        40_000,
    ),
    (
        Shape::Unary {
            in_flight: 256,
            connections: 4,
        },
        40_000,
    ),
    (
        Shape::Stream {
            in_flight: 64,
            connections: 1,
        },
        40_000,
    ),
    (
        Shape::Stream {
            in_flight: 256,
            connections: 1,
        },
        60_000,
    ),
    (
        Shape::Stream {
            in_flight: 256,
            connections: 4,
        },
        60_000,
    ),
];

async fn compare(divisor: usize) -> anyhow::Result<()> {
    let site = Site::new()
        .with("journal.segment_bytes", 64 << 20)
        .without_quotas();
    let principal = site.principal(DEA, "system");
    let check = check_cost(&site, &principal)?;
    table::head(&sizes(&principal), check);
    let noop = Noop::start(&site)?;
    let broker = site.start();
    let mut first_case = 0;
    for (shape, full) in SHAPES {
        let count = full / divisor;
        let statements = sign(&principal, first_case, count)?;
        first_case += count;
        let connections = shape.connections();
        let to_noop = load::connect(
            noop.address,
            broker.anchor(),
            &principal.identity,
            connections,
        )
        .await?;
        let to_broker = load::connect(
            broker.address,
            broker.anchor(),
            &principal.identity,
            connections,
        )
        .await?;
        // A little first, so that neither pays for what only happens once.
        let warm_up = sign(&principal, 50_000_000 + first_case, 200)?;
        load::run(&to_noop, shape, &warm_up).await?;
        load::run(&to_broker, shape, &warm_up).await?;
        let ceiling = load::run(&to_noop, shape, &statements).await?;
        let ours = load::run(&to_broker, shape, &statements).await?;
        table::row(shape, &ceiling, &ours, check);
    }
    table::foot();
    broker.stop().await;
    Ok(())
}

/// Streams cases in and shows the broker's resident memory on the way.
async fn million(total: usize) -> anyhow::Result<()> {
    const STEP: usize = 50_000;
    let site = Site::new()
        .with("journal.segment_bytes", 64 << 20)
        .without_quotas();
    let principal = site.principal(DEA, "system");
    let broker = site.start();
    let channels = load::connect(broker.address, broker.anchor(), &principal.identity, 2).await?;
    println!(
        "{:>10} {:>12} {:>12} {:>12}",
        "cases", "rate /s", "RSS MiB", "anon MiB"
    );
    let shape = Shape::Stream {
        in_flight: 256,
        connections: 2,
    };
    for first in (0..total).step_by(STEP) {
        let statements = sign(&principal, first, STEP)?;
        let Outcome { rate, .. } = load::run(&channels, shape, &statements).await?;
        let (resident, anonymous) = memory(broker.pid())?;
        println!(
            "{:>10} {rate:>12.0} {resident:>12} {anonymous:>12}",
            first + STEP
        );
    }
    let began = Instant::now();
    broker.stop().await;
    println!("stopped in {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let broker = site.start();
    println!(
        "started again, everything checked, in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    broker.stop().await;
    Ok(())
}

/// Resident and anonymous memory of a process, MiB (proc(5), `status`). The rest of the resident part is the system's page
/// cache of mapped files.
fn memory(pid: u32) -> anyhow::Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> anyhow::Result<u64> {
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .context("no such field")?;
        let kib: u64 = line
            .split_whitespace()
            .nth(1)
            .context("no value")?
            .parse()?;
        Ok(kib / 1024)
    };
    Ok((field("VmRSS:")?, field("RssAnon:")?))
}

fn statement(number: usize) -> Statement {
    cases::reporting_as(DEA, &format!("bench-{number}"))
}

fn sign(principal: &Principal, first: usize, count: usize) -> anyhow::Result<Vec<Bytes>> {
    (first..first + count)
        .map(|number| Ok(principal.signer.sign(&statement(number))?.into()))
        .collect()
}

fn sizes(principal: &Principal) -> String {
    let statement = statement(0);
    let signed = principal
        .signer
        .sign(&statement)
        .map_or(0, |bytes| bytes.len());
    format!(
        "{} bytes a statement, {signed} signed",
        statement.encoded_len()
    )
}

/// What checking one statement takes on one core: envelope, signature, decoding, field rules. That work is the broker's alone;
/// the table shows the ceiling less it.
fn check_cost(site: &Site, principal: &Principal) -> anyhow::Result<Duration> {
    const ROUNDS: u32 = 2_000;
    let signed = principal.signer.sign(&statement(0))?;
    let registered = site
        .path()
        .join(format!("pki/members/{DEA}/signers/2026a.pem"));
    let certificate = SignerCertificate::from_der(&CertificateDer::from_pem_file(registered)?)?;
    let clock = Clock {
        now: i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_secs())?,
    };
    let mut took = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        for _ in 0..ROUNDS {
            let statement = Envelope::parse(&signed)?.verify(&certificate)?;
            anyhow::ensure!(
                check_statement(&statement, clock).is_empty(),
                "the benchmark's case breaks a rule"
            );
        }
        took.push(began.elapsed() / ROUNDS);
    }
    took.sort();
    Ok(took[2])
}

/// The service that does nothing, as a process of its own.
struct Noop {
    child: Child,
    address: SocketAddr,
}

impl Noop {
    fn start(site: &Site) -> anyhow::Result<Self> {
        let address_file = site.path().join("noop-address");
        let child = Command::new(env::current_exe()?)
            .arg("--noop")
            .arg(site.config())
            .arg(&address_file)
            .spawn()?;
        let address = wait::until("the do-nothing service serves", || {
            fs::read_to_string(&address_file).ok()
        });
        Ok(Self {
            child,
            address: address.trim().parse()?,
        })
    }
}

impl Drop for Noop {
    fn drop(&mut self) {
        // It has nothing to finish.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shape {
    fn connections(self) -> usize {
        match self {
            Self::Unary { connections, .. } | Self::Stream { connections, .. } => connections,
        }
    }
}
