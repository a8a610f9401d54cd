//! `casectl forward`: deliveries to a system that speaks HTTPS and not gRPC.
//!
//! What it promises: a delivery is acknowledged when the target answered 2xx, and never before; every request is signed if there is a
//! secret. What it never does: send in the clear to another machine, follow a redirect, or trust a certificate that `--to-ca` does not
//! vouch for.

mod event;
mod signature;
mod target;

use std::{
    io::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use casebroker_client::{Client, Flow, Nack};
use casebroker_proto::v1::Delivery;
use clap::{Args, ValueEnum};
use tokio::sync::Notify;

use crate::{
    Global,
    failure::{Exit, Failure, Result},
    output::Output,
    span::{parse_span, span},
    stop,
    subscription::{Named, parse_subscription},
};
use event::Event;
use signature::Secrets;
use target::{Answer, Target};

/// Longest wait before another attempt: the contract's.
const LONGEST_DELAY: Duration = casebroker_proto::subscription::MAX_BACKOFF;
/// How long requests may take to end after a stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Send a subscription's deliveries to a URL as CloudEvents 1.0, until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
Every delivery is a POST. An answer 2xx acknowledges it; 410 Gone ends the command; anything else, or none, gives it back, to be sent
again after a wait that is four times as long with each attempt, from --retry-delay up to an hour, or as Retry-After says.
The id of an event, LOG/POSITION, is the same for every attempt: the target is to remember it. With --secret-file requests are signed as
Standard Webhooks has it: webhook-id, webhook-timestamp, webhook-signature (v1, HMAC-SHA-256). A line of the file is a secret,
whsec_ and 24 to 64 bytes in Base64; with two lines both sign, while the target changes over.
Plain http goes to this machine only. Certificates of the target are held against --to-ca alone, never against --ca or the system's.

Examples:
  casectl forward fentanyl-west --to https://cases.example/hook --to-ca target-ca.pem --secret-file hook.secret
  casectl forward fentanyl-west --to http://127.0.0.1:8080/ --mode structured
  casectl forward fentanyl-west --to https://cases.example/hook --to-ca /etc/ssl/certs/ca-certificates.crt --concurrency 8")]
pub struct Forward {
    /// Id of the subscription within my agency, or its whole name
    #[arg(value_parser = parse_subscription, value_name = "NAME")]
    name: Named,
    /// Where to: an https URL, or http to this machine
    #[arg(long, value_name = "URL")]
    to: String,
    /// Certificates that the target's must chain to, PEM
    #[arg(long, value_name = "FILE")]
    to_ca: Option<PathBuf>,
    /// File with the secret that requests are signed with
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How an event is written: binary (attributes in headers) or structured (one JSON document)
    #[arg(
        long,
        value_name = "MODE",
        default_value = "binary",
        hide_possible_values = true
    )]
    mode: Mode,
    /// Most requests at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// How long the target may take to answer, up to ten minutes
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_timeout)]
    timeout: Duration,
    /// Wait before the second attempt
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_delay)]
    retry_delay: Duration,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Attributes in headers, the delivery as body.
    Binary,
    /// One JSON document.
    Structured,
}

/// What every request needs.
struct Sink {
    target: Target,
    secrets: Option<Secrets>,
    mode: Mode,
    source: String,
    retry_delay: Duration,
    gone: Notify,
    /// Why the last one was not taken; said when it changes.
    trouble: Mutex<String>,
}

/// Runs the command.
pub async fn run(args: Forward, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let stop = stop::asked();
    let target = Target::new(&args.to, args.to_ca.as_deref(), args.timeout)?;
    let secrets = args.secret_file.as_deref().map(Secrets::read).transpose()?;
    let client = global.connect()?;
    let name = args.name.whole(&client).await?;
    let sink = Arc::new(Sink {
        target,
        secrets,
        mode: args.mode,
        source: source(&client, global).await?,
        retry_delay: args.retry_delay,
        gone: Notify::new(),
        trouble: Mutex::default(),
    });
    if sink.secrets.is_none() {
        out.note("casectl: requests are not signed; --secret-file FILE signs them");
    }
    let flow = Flow {
        messages: args.concurrency.saturating_mul(2),
        durable: true,
        ..Flow::default()
    };
    let mut is_gone = false;
    let until = async {
        tokio::select! {
            () = stop => {}
            () = sink.gone.notified() => is_gone = true,
        }
    };
    let subscriber = client
        .subscriber(&name)
        .concurrency(args.concurrency.into());
    let handling = Arc::clone(&sink);
    let handled = subscriber
        .flow(flow)
        .drain(DRAIN)
        .run(until, move |delivery| {
            let sink = Arc::clone(&handling);
            async move { sink.send(&delivery).await }
        })
        .await?;
    out.note(format_args!(
        "{} forwarded, {} given back",
        handled.acknowledged,
        handled.given_back + handled.panicked + handled.unfinished
    ));
    match is_gone {
        false => Ok(()),
        true => Err(Failure::new(
            Exit::Failed,
            format!("{} answers 410 Gone: it wants no more", args.to),
            "Ask whoever runs it; what was not taken is still delivered to the subscription.",
        )),
    }
}

/// What events come from: the log by its origin, which the broker names and the context's key, if there is one, must agree with.
async fn source(client: &Client, global: &Global) -> Result<String> {
    let profile = global.profile()?;
    // A vkey begins with the origin.
    let trusted = profile
        .log_vkey
        .as_deref()
        .and_then(|vkey| vkey.split('+').next());
    Ok(match trusted {
        Some(origin) => origin.to_owned(),
        None => match client.caller().await?.log_origin {
            origin if origin.is_empty() => client.endpoint().to_owned(),
            origin => origin,
        },
    })
}

impl Sink {
    async fn send(&self, delivery: &Delivery) -> std::result::Result<(), Nack> {
        let event =
            Event::of(&self.source, delivery).map_err(|failure| Nack::because(failure.what))?;
        let (mut headers, body) = match self.mode {
            Mode::Binary => event.binary(),
            Mode::Structured => event.structured(),
        };
        if let Some(secrets) = &self.secrets {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |since| since.as_secs());
            headers.extend(secrets.sign(&event.id, now, body.as_bytes()));
        }
        let answer = self.target.post(&headers, body).await;
        let again = |why: String, after: Option<Duration>| {
            self.say(&why, delivery.position);
            let delay = after.unwrap_or_else(|| self.delay(delivery.delivery_attempt));
            Err(Nack::because(why).after(delay.min(LONGEST_DELAY)))
        };
        match answer {
            Ok(Answer {
                status: 200..300, ..
            }) => Ok(()),
            Ok(Answer { status: 410, .. }) => {
                self.gone.notify_one();
                again("410 Gone".into(), Some(Duration::ZERO))
            }
            Ok(Answer {
                status,
                said,
                retry_after,
            }) => again(format!("{status} {said}"), retry_after),
            Err(why) => again(why, None),
        }
    }

    /// Says why one was not taken, unless the one before it was not for the same reason.
    fn say(&self, why: &str, position: u64) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *trouble != why {
            why.clone_into(&mut trouble);
            // Nobody reading it is no failure.
            let _ = writeln!(
                std::io::stderr(),
                "casectl: position {position} was not taken: {why}; it is sent again, others for the same reason too"
            );
        }
    }

    /// The wait after an attempt, counted from 1: four times as long with each, less up to a quarter of it, so that what failed together
    /// does not come back together.
    fn delay(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1))
            .unwrap_or(0)
            .min(15)
            * 2;
        let whole = self
            .retry_delay
            .saturating_mul(1 << doublings)
            .min(LONGEST_DELAY);
        let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
        whole - (whole / 4).mul_f64(random as f64 / u64::MAX as f64)
    }
}

fn parse_timeout(text: &str) -> std::result::Result<Duration, String> {
    within(text, Duration::from_millis(100), Duration::from_secs(600))
}

fn parse_delay(text: &str) -> std::result::Result<Duration, String> {
    within(text, Duration::ZERO, LONGEST_DELAY)
}

fn within(text: &str, least: Duration, most: Duration) -> std::result::Result<Duration, String> {
    let time = parse_span(text)?;
    match (least..=most).contains(&time) {
        true => Ok(time),
        false => Err(format!("must be {} to {}", span(least), span(most))),
    }
}
