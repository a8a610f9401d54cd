//! `casectl watch`: what happens, as it happens, a line a statement.
//!
//! What it promises: through broken connections and restarts of the broker nothing is left out and nothing is shown twice. A delivery is
//! acknowledged once it is written; until that is durable its position is not shown again.

use std::time::Duration;

use casebroker_client::{Client, Deliveries, Flow, Link, Start};
use casebroker_proto::v1::{Delivery, DeliveryContent, DeliveryDetail, Subscription};
use clap::Args;
use tokio::sync::watch;
use unicode_width::UnicodeWidthStr as _;

use crate::{
    Global, delivery,
    failure::{Failure, Result},
    filter::{Selection, understood},
    moment::parse_start,
    output::{FAINT, Format, Output},
    span::wire,
    stating::own_agency,
    stop,
    subscription::{Named, parse_subscription},
    table::{clean, cut},
    words,
};

/// How long the subscription lives that a watch makes for itself, if the watch is killed: the least that the broker allows.
const EXPIRY: Duration = Duration::from_secs(3_600);
/// Most deliveries that are under way.
const MOST: u16 = 500;

/// Watch statements as they are recorded, a line each, until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
It goes on after a broken connection or a restart of the broker, without a gap and without a line twice. Without --subscription it has
one of its own, which ends with it. -o jsonl prints the deliveries.

Examples:
  casectl watch
  casectl watch --class fentanyl --destination US
  casectl watch --from 2026-11-01 --agency us-cbp
  casectl watch --subscription fentanyl-west          what nobody has acknowledged yet, and what comes
  casectl -o jsonl watch --status confirmed | jq -r .case")]
pub struct Watch {
    /// A subscription that is there: its deliveries are acknowledged
    #[arg(long, value_name = "NAME", value_parser = parse_subscription)]
    subscription: Option<Named>,
    /// Where to begin: beginning, now, a position of the log, a date or a time [default: now]
    #[arg(long = "from", value_name = "START", value_parser = parse_start, conflicts_with = "subscription")]
    start: Option<Start>,
    #[command(flatten)]
    which: Selection,
}

/// Runs the command.
pub async fn run(args: Watch, global: &Global, out: &mut Output) -> Result<()> {
    if matches!(out.format, Format::Json | Format::Csv) {
        return Err(Failure::usage(
            "a watch has no end that would close a document",
            "Use -o jsonl: one delivery a line.",
        ));
    }
    let filter = args.which.read()?;
    let client = global.connect()?;
    let stop = stop::asked();
    tokio::pin!(stop);
    let Some(named) = args.subscription else {
        let own = make(&client, args.start.unwrap_or_default(), filter, out).await?;
        let end = follow(&client, &own, &mut stop, out).await;
        let deleted = client.delete_subscription(&own).await;
        return end.and(deleted.map_err(Failure::from));
    };
    if filter != Default::default() {
        return Err(Failure::usage(
            "a subscription has its own filter",
            "Leave the filter out, or leave --subscription out.",
        ));
    }
    let name = named.whole(&client).await?;
    follow(&client, &name, &mut stop, out).await
}

/// A subscription that lives as long as the watch.
async fn make(
    client: &Client,
    start: Start,
    filter: casebroker_proto::v1::CaseFilter,
    out: &mut Output,
) -> Result<String> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let id = id.get(..16).unwrap_or(&id);
    let subscription = Subscription {
        name: format!("{}/subscriptions/watch-{id}", own_agency(client).await?),
        filter: Some(filter),
        expire_after: Some(wire(EXPIRY)),
        content: Some(DeliveryContent {
            detail: DeliveryDetail::Case.into(),
            receipt: false,
        }),
        ..Default::default()
    };
    let made = client.create_subscription(subscription, start).await?;
    let subscription = made.subscription.unwrap_or_default();
    if out.format == Format::Table {
        for line in understood(&subscription.understood, out.width) {
            out.note(out.paint_note(FAINT, line));
        }
        let from = format!(
            "watching from position {} on; Ctrl-C ends",
            made.start_position
        );
        out.note(out.paint_note(FAINT, from));
    }
    Ok(subscription.name)
}

/// Shows deliveries until somebody asks for the end.
async fn follow(
    client: &Client,
    name: &str,
    stop: &mut (impl Future<Output = ()> + Unpin),
    out: &mut Output,
) -> Result<()> {
    let flow = Flow {
        messages: MOST,
        durable: true,
        ..Flow::default()
    };
    let mut deliveries = client.deliveries(name, flow).await?;
    let mut link = deliveries.link();
    let end = loop {
        tokio::select! {
            biased;
            () = &mut *stop => break Ok(()),
            () = news(&mut link, out) => {}
            next = deliveries.next() => match next {
                Ok(first) => if let Err(failure) = group(&mut deliveries, first, out) {
                    break Err(failure);
                },
                Err(error) => break Err(error.into()),
            },
        }
    };
    let closed = deliveries.close().await;
    end?;
    closed?;
    Ok(())
}

/// Shows one delivery and those that are there already, and acknowledges them once they are written.
fn group(deliveries: &mut Deliveries, first: Delivery, out: &mut Output) -> Result<()> {
    let mut shown = Vec::new();
    let mut next = Some(first);
    while let Some(delivery) = next {
        match out.format {
            Format::Jsonl => out.line(delivery::to_json(&delivery)?)?,
            _ => out.line(line(&delivery, out))?,
        }
        shown.push(delivery.position);
        next = deliveries
            .try_next()
            .filter(|_| shown.len() < usize::from(MOST));
    }
    out.flush()?;
    shown
        .into_iter()
        .for_each(|position| deliveries.ack(position));
    Ok(())
}

/// Says that the connection broke, and that it is back.
async fn news(link: &mut watch::Receiver<Link>, out: &Output) {
    if link.changed().await.is_err() {
        // The stream has ended; its own error says why.
        return std::future::pending().await;
    }
    match &*link.borrow_and_update() {
        Link::Open => out.note("casectl: connected again"),
        Link::Broken { attempts: 1, cause } => {
            out.note(format_args!("casectl: {}; trying again", clean(cause)));
        }
        Link::Broken { .. } => {}
    }
}

/// Time, kind, case, who said it if it was not the owner, what became of the case, title.
fn line(delivery: &Delivery, out: &Output) -> String {
    let case = words::short_case(&delivery.case);
    let by = match delivery::agency(delivery) {
        agency if case.starts_with(&format!("{agency}/")) => String::new(),
        agency => format!("  by {}", clean(agency)),
    };
    let by = if by == "  by " { String::new() } else { by };
    let when = words::minute(delivery.record_time.as_ref());
    let kind = words::statement_kind(delivery.kind);
    let head = format!("  {kind:19}  {}{by}  ", clean(&case));
    let used = when.width() + head.width() + delivery::change(delivery).width() + 2;
    let title = clean(delivery::title(delivery));
    let title = match out.width {
        Some(width) => cut(&title, width.saturating_sub(used)),
        None => title,
    };
    let when = out.paint(FAINT, when);
    let text = format!("{when}{head}{}  {title}", delivery::painted(delivery, out));
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::{
        CaseChange, CaseReport, CaseStatus, Report, Statement, StatementKind, StatementRecord,
        statement::Kind,
    };

    use super::*;

    fn delivery(agency: &str) -> Delivery {
        let report = CaseReport {
            title: "Parcel with carfentanil in a printer ink bottle, declared as accessories"
                .into(),
            ..Default::default()
        };
        Delivery {
            case: "agencies/us-dea/cases/2016-0042".into(),
            kind: StatementKind::Report.into(),
            record_time: Some(prost_types::Timestamp {
                seconds: 1_467_000_000,
                nanos: 0,
            }),
            change: Some(CaseChange {
                appeared: true,
                selected: true,
                status: CaseStatus::Reported.into(),
                ..Default::default()
            }),
            statement: Some(StatementRecord {
                agency: format!("agencies/{agency}"),
                statement: Some(Statement {
                    kind: Some(Kind::Report(Report {
                        report: Some(report),
                    })),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_statement_is_a_line_that_fits_the_terminal() {
        let out = Output::kept(100);
        let text = line(&delivery("us-dea"), &out);
        assert_eq!(
            text,
            "2016-06-27 04:00  report               us-dea/2016-0042  new, reported  Parcel with carfentanil in…"
        );
        assert!(text.width() <= 100);
        let text = line(&delivery("us-cbp"), &out);
        assert!(
            text.contains("us-dea/2016-0042  by us-cbp  new, reported"),
            "{text}"
        );
    }
}
