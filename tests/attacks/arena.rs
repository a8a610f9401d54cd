//! Where attacks take place: a broker, an attacker who is a member, and an honest member who goes on with its work. Around each
//! attack the arena measures memory, counts what the honest one got, and compares the log with what was acknowledged.

use std::{
    fs,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use casebroker_tests::{
    Broker, Caller, DEA, RCMP, Site, announce, cases,
    pki::{Identity, Principal, Wish},
};
use futures_util::FutureExt as _;
use tokio::time::timeout;

/// Longest that one attack may take.
const LONGEST: Duration = Duration::from_secs(30);
/// Longest that the honest member may wait for one answer meanwhile. The machine may be busy, so this is no figure to go by.
const HONEST_WAIT: Duration = Duration::from_secs(10);
/// What the broker's memory may grow by in an attack, MiB, unless the attack says otherwise. What the honest member says meanwhile goes
/// into the text index, too: into its buffer, as much again that waits for it, and what it writes and merges from.
const GROWTH: u64 = 48 + 5 * TEXT_BUFFER;
/// Buffer of the text index, MiB: the least that can be configured.
const TEXT_BUFFER: u64 = 16;

/// A broker under attack.
pub struct Arena {
    pub site: Site,
    pub broker: Broker,
    /// The attacker's certificate and signing key: a member's system.
    pub attacker: Principal,
    /// The attacker on a well-behaved connection.
    pub caller: Caller,
    honest: Caller,
    /// Entries that the attack itself had recorded, and was told so.
    recorded: AtomicU64,
    filters: Vec<String>,
    subject: &'static str,
    lines: Mutex<Vec<Line>>,
}

/// What became of one attack.
pub struct Line {
    pub subject: &'static str,
    pub passed: bool,
    /// MiB.
    pub before: u64,
    pub after: u64,
    pub peak: u64,
    pub served: u64,
    pub slowest: Duration,
}

/// What the honest member got meanwhile.
#[derive(Default)]
struct Served {
    calls: u64,
    recorded: u64,
    slowest: Duration,
}

impl Arena {
    /// Starts a broker for the attacks of one subject.
    pub async fn open(subject: &'static str, filters: &[String], site: Site) -> Self {
        let site = site.with("text.memory_bytes", TEXT_BUFFER << 20);
        // Quotas would end most attacks before they reach what they are made for. They have tests of their own.
        let site = site.without_quotas();
        let broker = site.start();
        let attacker = site.principal(DEA, "system");
        let caller = broker.connect(&attacker).await;
        let honest = broker.connect(&site.principal(RCMP, "system")).await;
        Self {
            site,
            broker,
            attacker,
            caller,
            honest,
            recorded: AtomicU64::new(0),
            filters: filters.to_vec(),
            subject,
            lines: Mutex::default(),
        }
    }

    /// Notes that the attacker was told of this many new entries.
    pub fn recorded(&self, entries: u64) {
        self.recorded.fetch_add(entries, Ordering::Relaxed);
    }

    /// A client certificate of the attacker's agency.
    pub fn issue(&self, wish: &Wish) -> Identity {
        self.site.authority(DEA).issue(wish)
    }

    /// Runs one attack; what it answers is what the broker did. A panic in it is a failure, and the next attack follows.
    pub async fn attack(&self, name: &str, attack: impl Future<Output = String>) {
        self.attack_growing(name, GROWTH, attack).await;
    }

    /// The same where memory may grow by so many MiB.
    pub async fn attack_growing(
        &self,
        name: &str,
        growth: u64,
        attack: impl Future<Output = String>,
    ) {
        let full = format!("{}::{name}", self.subject);
        if !self.filters.is_empty() && !self.filters.iter().any(|f| full.contains(f.as_str())) {
            return;
        }
        let Some(before) = self.memory("VmRSS") else {
            return self.note(name, 0, "there is no broker any more");
        };
        let size = self.caller.statements(&self.site.log).await;
        self.recorded.store(0, Ordering::Relaxed);
        self.forget_peak();
        let begin = Instant::now();
        let over = AtomicBool::new(false);
        let attack = async {
            let outcome = timeout(LONGEST, AssertUnwindSafe(attack).catch_unwind()).await;
            over.store(true, Ordering::Relaxed);
            outcome
        };
        let (outcome, served) = tokio::join!(
            attack,
            AssertUnwindSafe(self.serve_honest(&over)).catch_unwind()
        );
        let (Some(peak), Some(after)) = (self.memory("VmHWM"), self.memory("VmRSS")) else {
            return self.note(name, before, "the broker has ended");
        };
        let mut wrong = Vec::new();
        let did = match outcome {
            Ok(Ok(did)) => did,
            Ok(Err(_)) => {
                wrong.push("the outcome is another (see above)".into());
                String::new()
            }
            Err(_) => {
                wrong.push(format!("took over {LONGEST:?}"));
                String::new()
            }
        };
        let served = served.unwrap_or_else(|_| {
            wrong.push("the honest member was not served".into());
            Served::default()
        });
        if peak.saturating_sub(before) > growth {
            wrong.push(format!(
                "memory grew by {} MiB; {growth} are allowed",
                peak - before
            ));
        }
        let expected = size + served.recorded + self.recorded.load(Ordering::Relaxed);
        match AssertUnwindSafe(self.comes_anew()).catch_unwind().await {
            Ok(size) if size == expected => {}
            Ok(size) => wrong.push(format!("the log has {size} entries, not {expected}")),
            Err(_) => wrong.push("nobody is let in afterwards".into()),
        }
        let passed = wrong.is_empty();
        announce(&format!(
            "{name:<58} {did}{}; {before} → {after} MiB, peak {peak}; honest: {} served, slowest {} ms; {} ms",
            if passed {
                String::new()
            } else {
                format!(" FAILED: {}", wrong.join(", "))
            },
            served.calls,
            served.slowest.as_millis(),
            begin.elapsed().as_millis(),
        ));
        self.lines.lock().unwrap().push(Line {
            subject: self.subject,
            passed,
            before,
            after,
            peak,
            served: served.calls,
            slowest: served.slowest,
        });
    }

    /// Notes an attack after which there is no broker.
    fn note(&self, name: &str, before: u64, what: &str) {
        announce(&format!("{name:<58} FAILED: {what}"));
        self.lines.lock().unwrap().push(Line {
            subject: self.subject,
            passed: false,
            before,
            after: 0,
            peak: 0,
            served: 0,
            slowest: Duration::ZERO,
        });
    }

    /// Ends the broker in order, which must still be possible, and answers what happened.
    pub async fn close(self) -> Vec<Line> {
        let Self {
            broker,
            lines,
            subject,
            caller,
            honest,
            site,
            ..
        } = self;
        drop((caller, honest));
        let mut lines = lines.into_inner().unwrap();
        if lines.last().is_some_and(|last| last.after == 0) {
            // What it last said is the reason.
            announce(&format!("{subject}: the broker said\n{}", broker.stderr()));
            return lines;
        }
        let stopped = broker.stop().await;
        let panics = stopped
            .stderr
            .lines()
            .filter(|l| l.contains("panicked"))
            .count();
        if !stopped.status.success() || panics > 0 {
            announce(&format!(
                "{subject}: FAILED: the broker ended with {}, {panics} panics\n{}",
                stopped.status, stopped.stderr
            ));
            lines.iter_mut().for_each(|line| line.passed = false);
        }
        drop(site);
        lines
    }

    /// The honest member submits and reads until the attack is over, and once more.
    async fn serve_honest(&self, over: &AtomicBool) -> Served {
        let mut served = Served::default();
        loop {
            let last = over.load(Ordering::Relaxed);
            let begin = Instant::now();
            let case = format!("h{}", uuid::Uuid::new_v4().simple());
            let statement = cases::reporting_as(RCMP, &case);
            let both = async {
                self.honest.submit(&statement).await.unwrap();
                self.honest.get(&statement.case).await.unwrap();
            };
            timeout(HONEST_WAIT, both).await.expect("an answer in time");
            served.calls += 2;
            served.recorded += 1;
            served.slowest = served.slowest.max(begin.elapsed());
            if last {
                return served;
            }
            // A pace, so that the machine is the attack's.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Somebody new comes, and reads the log's size.
    async fn comes_anew(&self) -> u64 {
        let newcomer = self.site.principal(RCMP, "officer");
        let honest = self.broker.connect(&newcomer);
        let honest = timeout(HONEST_WAIT, honest).await.expect("let in in time");
        honest.statements(&self.site.log).await
    }

    /// A figure of the broker's memory, MiB; `None` if there is no broker any more.
    fn memory(&self, figure: &str) -> Option<u64> {
        let path = format!("/proc/{}/status", self.broker.pid());
        let status = fs::read_to_string(path).ok()?;
        let line = status.lines().find(|line| line.starts_with(figure))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes / 1024)
    }

    /// Lets the peak (VmHWM) begin anew: see proc(5), `clear_refs`.
    fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.broker.pid());
        // Where that is not allowed the peak is that of the whole run, which only makes the bound stricter.
        let _ = fs::write(path, "5");
    }
}
