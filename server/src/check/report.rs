//! What was found, for people and for programs.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for people.
    Table,
    /// One document.
    Json,
}

/// How a part came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// As it was written.
    Ok,
    /// Nothing is wrong, but somebody should know.
    Note,
    /// Could not be looked at.
    Skipped,
    /// Not as it was written.
    Bad,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Skipped => "skipped",
            Self::Bad => "BAD",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => AnsiColor::Green.on_default(),
            Self::Note | Self::Skipped => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// One part of the data directory.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) summary: String,
    pub(super) figures: Map<String, Value>,
    /// Everything that differs, or that somebody should know.
    pub(super) findings: Vec<String>,
}

impl Part {
    pub(super) fn new(name: &'static str, verdict: Verdict, summary: impl Into<String>) -> Self {
        Self {
            name,
            verdict,
            summary: summary.into(),
            figures: Map::new(),
            findings: Vec::new(),
        }
    }

    pub(super) fn figure(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.figures.insert(name.into(), value.into());
        self
    }

    /// Something that somebody should know; nothing is wrong by it.
    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.verdict = self.verdict.max(Verdict::Note);
        self.findings.push(what.into());
    }

    /// Something that is not as it was written.
    pub(super) fn bad(&mut self, what: impl Into<String>) {
        self.verdict = Verdict::Bad;
        self.findings.push(what.into());
    }
}

/// All parts.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) data: PathBuf,
    pub(super) holder: Option<String>,
    pub(super) parts: Vec<Part>,
}

impl Report {
    /// Whether everything checks out.
    pub(super) fn holds(&self) -> bool {
        self.parts.iter().all(|part| part.verdict != Verdict::Bad)
    }

    pub(super) fn print(&self, format: Format) -> anyhow::Result<()> {
        let mut out = anstream::stdout();
        match format {
            Format::Json => writeln!(out, "{:#}", self.to_json())?,
            Format::Table => {
                if let Some(holder) = &self.holder {
                    writeln!(
                        out,
                        "a broker is running here ({holder}): what it writes just now is left out"
                    )?;
                }
                for part in &self.parts {
                    let (style, word) = (part.verdict.style(), part.verdict.word());
                    let (name, summary) = (part.name, &part.summary);
                    writeln!(out, "{name:<11} {style}{word:<8}{style:#} {summary}")?;
                    for finding in &part.findings {
                        writeln!(out, "{:<21}{finding}", "")?;
                    }
                }
                let bad = self.parts.iter().filter(|p| p.verdict == Verdict::Bad);
                match bad.count() {
                    0 => writeln!(out, "everything checks out: {}", self.data.display())?,
                    n => writeln!(
                        out,
                        "{n} of {} parts are not as they were written: {}",
                        self.parts.len(),
                        self.data.display()
                    )?,
                }
            }
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|part| {
                json!({
                    "part": part.name,
                    "verdict": part.verdict.word().to_lowercase(),
                    "summary": part.summary,
                    "figures": part.figures,
                    "findings": part.findings,
                })
            })
            .collect();
        json!({
            "ok": self.holds(),
            "data": self.data,
            "running": self.holder,
            "parts": parts,
        })
    }
}

/// A progress bar on standard error, if that is a terminal.
#[derive(Debug, Clone, Default)]
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A new bar for a number of bytes.
    pub(super) fn of(what: &'static str, bytes: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(5));
        let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(500));
        Self(Some(bar))
    }

    pub(super) fn at(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(bytes);
        }
    }

    pub(super) fn done(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A count with its noun: `1 entry`, `2 entries`.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{n} {many}"),
    }
}
