//! State store and access record.

use super::{
    Subject,
    report::{Bar, Part, Verdict, count},
};
use crate::{
    delivery,
    policy::access::{self, Report},
    state::{self, Looked},
};

/// The state store's position against the journal's.
pub(super) fn state(subject: &Subject, entries: Option<u64>) -> Part {
    if subject.is_live() {
        return Part::new(
            "state",
            Verdict::Skipped,
            "not looked at while the broker runs",
        );
    }
    let dir = subject.data.join("state");
    let looked = match state::look(&dir) {
        Ok(looked) => looked,
        Err(error) => {
            let mut part = Part::new("state", Verdict::Ok, "cannot be looked at");
            part.bad(error.to_string());
            return part;
        }
    };
    match (looked, entries) {
        (Looked::NotThere, _) => Part::new(
            "state",
            Verdict::Note,
            "none; the next start builds it from the journal",
        ),
        (Looked::Unusable(why), _) => Part::new(
            "state",
            Verdict::Note,
            format!("the next start builds it anew: {why}"),
        ),
        (Looked::TooLarge(bytes), _) => Part::new(
            "state",
            Verdict::Skipped,
            format!("not looked at: {bytes} bytes are too many to copy"),
        ),
        (Looked::At(at), Some(entries)) if at > entries => {
            let mut part =
                Part::new("state", Verdict::Ok, format!("position {at}")).figure("position", at);
            part.bad(format!(
                "{}: it is at position {at}, the journal ends at {entries}: entries are missing from the journal, or the two are of different copies",
                dir.display()
            ));
            part
        }
        (Looked::At(at), Some(entries)) => {
            let rest = match entries - at {
                0 => "as the journal".into(),
                rest => format!(
                    "the next start reads {} again",
                    count(rest, "entry", "entries")
                ),
            };
            Part::new("state", Verdict::Ok, format!("position {at}, {rest}")).figure("position", at)
        }
        (Looked::At(at), None) => Part::new(
            "state",
            Verdict::Skipped,
            format!("position {at}; not compared: the journal is damaged"),
        ),
    }
}

/// The ledger of subscriptions.
pub(super) fn deliveries(subject: &Subject) -> Part {
    let dir = subject.data.join("deliveries");
    match delivery::look(&dir) {
        Ok(None) => Part::new("deliveries", Verdict::Note, "no subscriptions"),
        Ok(Some((subscriptions, 0))) => Part::new(
            "deliveries",
            Verdict::Ok,
            count(subscriptions as u64, "subscription", "subscriptions"),
        ),
        // It may be written while it is read.
        Ok(Some((subscriptions, _))) if subject.is_live() => Part::new(
            "deliveries",
            Verdict::Ok,
            count(subscriptions as u64, "subscription", "subscriptions"),
        ),
        Ok(Some((subscriptions, bytes))) => Part::new(
            "deliveries",
            Verdict::Note,
            format!(
                "{}; the last {bytes} bytes cannot be read: the next start cuts them off and delivers some again",
                count(subscriptions as u64, "subscription", "subscriptions")
            ),
        ),
        Err(error) => {
            let mut part = Part::new("deliveries", Verdict::Ok, "cannot be read");
            part.bad(error.to_string());
            part
        }
    }
}

/// The access record: every line, its chain, and the kept head.
pub(super) fn access(subject: &Subject) -> Part {
    let dir = &subject.access_dir;
    let head = match access::load_head(&subject.checkpoint_dir) {
        Ok(head) => head,
        Err(error) => {
            let mut part = Part::new("access", Verdict::Ok, "the kept head cannot be read");
            part.bad(error.to_string());
            return part;
        }
    };
    let bar = Bar::of("access record", access::bytes(dir));
    let report = access::verify(dir, head.as_ref(), 0, &mut |bytes| bar.at(bytes));
    bar.done();
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            let mut part = Part::new("access", Verdict::Ok, "cannot be read");
            part.bad(error.to_string());
            return part;
        }
    };
    let mut part = Part::new("access", Verdict::Ok, summary(&report))
        .figure("lines", report.lines)
        .figure("files", report.files.len())
        .figure("bytes", report.bytes)
        .figure("first_sequence", report.first)
        .figure("last_sequence", report.last_line.map(|last| last.sequence))
        .figure(
            "last_hash",
            report.last_line.map(|last| hex::encode(last.hash)),
        )
        .figure("head_sequence", head.map(|head| head.last.sequence));
    for fault in &report.faults {
        part.bad(fault.to_string());
    }
    if report.more_faults > 0 {
        part.bad(format!("and {} more", report.more_faults));
    }
    if report.first > 1 {
        part.note(format!(
            "lines before sequence number {} were deleted or moved away; the chain is checked from there",
            report.first
        ));
    }
    if let Some(torn) = report.torn.as_ref().filter(|_| !subject.is_live()) {
        let place = format!(
            "{}:{} (offset {})",
            torn.path.display(),
            torn.line,
            torn.offset
        );
        match head.is_some_and(|head| head.closed) {
            true => part.bad(format!(
                "{place}: {} bytes were appended after the broker had stopped",
                torn.bytes
            )),
            false => part.note(format!(
                "{place}: an incomplete last line of {} bytes; the next start cuts it off",
                torn.bytes
            )),
        }
    }
    let beyond = report
        .last_line
        .zip(head)
        .map(|(last, head)| last.sequence.saturating_sub(head.last.sequence));
    match (head, beyond) {
        (None, _) if report.lines > 0 && subject.configured => part.bad(format!(
            "{}: no `access-head` is kept there, so a cut tail would not show",
            subject.checkpoint_dir.display()
        )),
        (None, _) if report.lines > 0 => {
            part.note("no `access-head` in the data directory; --config tells where it is kept");
        }
        (_, Some(beyond)) if beyond > 0 && !subject.is_live() => part.note(format!(
            "{} after the kept head: more than a second's worth would be suspicious",
            count(beyond, "line", "lines")
        )),
        _ => {}
    }
    part
}

fn summary(report: &Report) -> String {
    let lines = count(report.lines, "line", "lines");
    let files = count(report.files.len() as u64, "file", "files");
    let numbers = match report.last_line {
        Some(last) if report.lines > 0 => {
            format!(", sequence numbers {} to {}", report.first, last.sequence)
        }
        _ => String::new(),
    };
    format!("{lines} in {files}, {} bytes{numbers}", report.bytes)
}
