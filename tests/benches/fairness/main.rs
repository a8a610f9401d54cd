//! Whether one agency's flood makes another wait: the quiet agency's latency alone and beside the flood, by turns in one run.
//!
//!     cargo bench -p casebroker-tests --bench fairness                with the quotas as they are by default
//!     cargo bench -p casebroker-tests --bench fairness -- --without   the same with all quotas as wide as they go
//!     cargo bench -p casebroker-tests --bench fairness -- --quick     a short run, to see that it works
//!
//! The broker is the real one, as a process of its own over mutual TLS on loopback. The quiet agency (us-dea) submits, gets
//! and lists at a steady low rate, one call of each kind in flight, in this process. The noisy one (us-cbp) is a process of
//! its own and does everything it can at once, never heeding what it is told: unary calls, streams, heavy listings and
//! new connections without end, as several principals.
//!
//! All of them share the machine's cores, and a flood costs its sender more than the broker. To measure the broker and not
//! the senders, the noisy process runs at the lowest priority (`nice`): it takes what broker and quiet agency leave over,
//! which is as much as it can use as long as the broker holds it back. Its statements are signed before the first turn. The
//! quiet agency's latency counts from when a call was due if the one before it was late, so that a stall is not left out.

mod noisy;
mod quiet;

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use casebroker_tests::{CBP, DEA, Site, pki::Wish};
use hdrhistogram::Histogram;
use quiet::Latencies;

/// Principals of the noisy agency.
const PRINCIPALS: usize = 4;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let runtime = tokio::runtime::Runtime::new()?;
    if let [first, address, folder, ..] = arguments.as_slice()
        && first == "--noisy"
    {
        return runtime.block_on(noisy::run(address.parse()?, Path::new(folder)));
    }
    let (turns, length) = if has("--quick") {
        (1, Duration::from_secs(2))
    } else {
        (5, Duration::from_secs(8))
    };
    runtime.block_on(compare(turns, length, !has("--without")))
}

async fn compare(turns: usize, length: Duration, with_quotas: bool) -> anyhow::Result<()> {
    let mut site = Site::new().with("journal.segment_bytes", 64 << 20);
    if !with_quotas {
        site = site.without_quotas();
    }
    let broker = site.start();
    let quiet = quiet::Agency::connect(&broker, &site.principal(DEA, "system")).await?;
    let mut noisy = Noisy::start(&site, broker.address.to_string())?;
    // What only happens once is not to count.
    quiet.run(length.min(Duration::from_secs(2))).await?;

    let (mut alone, mut beside) = (Latencies::new(), Latencies::new());
    for _ in 0..turns {
        alone.add(&quiet.run(length).await?)?;
        noisy.say("go")?;
        let outcome = quiet.run(length).await;
        noisy.say("stop")?;
        noisy.hear()?;
        beside.add(&outcome?)?;
    }
    noisy.say("end")?;

    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{cores} cores for broker, quiet and noisy agency together; {turns} turns of {} s each; quotas {}\n",
        length.as_secs(),
        if with_quotas {
            "by default"
        } else {
            "as wide as they go"
        },
    );
    println!(
        "{:<10} {:>8} {:>26} {:>26} {:>20}",
        "us-dea",
        "calls",
        "alone p50/p99/p99.9 ms",
        "beside p50/p99/p99.9 ms",
        "ratio p50/p99/p99.9"
    );
    for (name, alone, beside) in alone.pairs(&beside) {
        println!(
            "{name:<10} {:>8} {:>26} {:>26} {:>20}",
            alone.len().min(beside.len()),
            three(alone, ms),
            three(beside, ms),
            three(alone, |l, q| ms(beside, q) / ms(l, q)),
        );
    }
    println!(
        "\nus-cbp meanwhile, in all turns together:\n{}",
        noisy.finish()?
    );
    broker.stop().await;
    Ok(())
}

fn ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1_000.0
}

fn three(latency: &Histogram<u64>, value: impl Fn(&Histogram<u64>, f64) -> f64) -> String {
    let [a, b, c] = [0.5, 0.99, 0.999].map(|q| value(latency, q));
    format!("{a:.2}/{b:.2}/{c:.2}")
}

/// The noisy agency's process: it is told `go`, `stop` and `end`, and answers each `stop` with a line.
struct Noisy {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Noisy {
    fn start(site: &Site, address: String) -> anyhow::Result<Self> {
        let folder = site.path().join("noisy");
        fs::create_dir(&folder)?;
        fs::write(folder.join("anchor.pem"), site.broker_anchor())?;
        let (certificate, key) = site.signing_pair(CBP);
        write_pair(&folder, "signer", certificate, key)?;
        for n in 0..PRINCIPALS {
            let wish = Wish::client(CBP, "system", &format!("noisy-{n}"));
            let identity = site.authority(CBP).issue(&wish);
            write_pair(
                &folder,
                &n.to_string(),
                &identity.certificate,
                &identity.key,
            )?;
        }
        let mut child = Command::new("nice")
            .args(["-n", "19"])
            .arg(env::current_exe()?)
            .args(["--noisy", &address])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut noisy = Self {
            child,
            commands,
            answers,
        };
        noisy.hear()?;
        Ok(noisy)
    }

    fn say(&mut self, word: &str) -> anyhow::Result<()> {
        writeln!(self.commands, "{word}")?;
        Ok(self.commands.flush()?)
    }

    fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line)?;
        anyhow::ensure!(length > 0, "the noisy process has ended");
        Ok(line)
    }

    /// Its summary.
    fn finish(&mut self) -> anyhow::Result<String> {
        let mut summary = String::new();
        while self.answers.read_line(&mut summary)? > 0 {}
        self.child.wait()?;
        Ok(summary)
    }
}

impl Drop for Noisy {
    fn drop(&mut self) {
        // It has nothing to finish.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_pair(folder: &Path, name: &str, certificate: &str, key: &str) -> anyhow::Result<()> {
    fs::write(folder.join(format!("{name}.pem")), certificate)?;
    let path = folder.join(format!("{name}.key"));
    fs::write(&path, key)?;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o600),
    )?)
}
