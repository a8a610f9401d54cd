//! The one way to standard output and standard error.

use std::{
    env,
    fmt::Display,
    io::{self, BufWriter, IsTerminal as _, Stdout, Write as _},
};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde_json::Value;

use crate::{
    failure::{Failure, Result},
    progress::Progress,
};

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people; may change.
    Table,
    /// Exactly one JSON document, in the proto JSON mapping.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header line; lists only.
    Csv,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Heading of a section.
pub const HEADING: Style = Style::new().bold();
/// Label or aside.
pub const FAINT: Style = Style::new().dimmed();
/// Something is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something holds.
pub const GOOD: Style = AnsiColor::Green.on_default();

/// Standard output, or what a test reads instead.
#[derive(Debug)]
enum Sink {
    Standard(BufWriter<Stdout>),
    #[cfg(test)]
    Kept(Vec<u8>),
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(stdout) => stdout.write(bytes),
            #[cfg(test)]
            Self::Kept(kept) => kept.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(stdout) => stdout.flush(),
            #[cfg(test)]
            Self::Kept(_) => Ok(()),
        }
    }
}

/// Where a command's results go.
#[derive(Debug)]
pub struct Output {
    /// Form asked for.
    pub format: Format,
    /// Columns of the terminal; none when there is none and lines may be as long as they are.
    pub width: Option<usize>,
    stdout: Sink,
    bar: Option<Progress>,
    colored: bool,
    colored_errors: bool,
}

impl Output {
    /// For a format and a choice of colour.
    pub fn new(format: Format, color: Color) -> Self {
        let colored = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        Self {
            format,
            width: width(),
            stdout: Sink::Standard(BufWriter::new(io::stdout())),
            bar: None,
            colored: colored(io::stdout().is_terminal()),
            colored_errors: colored(io::stderr().is_terminal()),
        }
    }

    /// A page of so many columns without colour, kept for a test.
    #[cfg(test)]
    pub fn kept(width: usize) -> Self {
        Self {
            format: Format::Table,
            width: Some(width),
            stdout: Sink::Kept(Vec::new()),
            bar: None,
            colored: false,
            colored_errors: false,
        }
    }

    /// What was written to a kept page.
    #[cfg(test)]
    pub fn text(&self) -> String {
        match &self.stdout {
            Sink::Kept(kept) => String::from_utf8(kept.clone()).unwrap(),
            Sink::Standard(_) => String::new(),
        }
    }

    /// A line of text.
    pub fn line(&mut self, text: impl Display) -> Result<()> {
        writeln!(self.stdout, "{text}").map_err(|e| Failure::output(&e))
    }

    /// Bytes as they are.
    pub fn raw(&mut self, text: &str) -> Result<()> {
        self.stdout
            .write_all(text.as_bytes())
            .map_err(|e| Failure::output(&e))
    }

    /// A JSON document: indented for `json`, on one line for `jsonl`.
    pub fn document(&mut self, value: &Value) -> Result<()> {
        match self.format {
            Format::Json => self.line(format_args!("{value:#}")),
            _ => self.line(value),
        }
    }

    /// Whether results are JSON.
    pub fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Text in a style, if there is colour.
    pub fn paint(&self, style: Style, text: impl Display) -> String {
        if self.colored {
            format!("{style}{text}{style:#}")
        } else {
            text.to_string()
        }
    }

    /// The same for a note on standard error.
    pub fn paint_note(&self, style: Style, text: impl Display) -> String {
        if self.colored_errors {
            format!("{style}{text}{style:#}")
        } else {
            text.to_string()
        }
    }

    /// Hands everything written so far to the reader.
    pub fn flush(&mut self) -> Result<()> {
        self.stdout.flush().map_err(|e| Failure::output(&e))
    }

    /// A line on standard error, for people: progress, warnings. Nobody reading it is no failure.
    pub fn note(&self, text: impl Display) {
        let print = || {
            let _ = writeln!(io::stderr(), "{text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// A progress bar that notes must not tear, or no more.
    pub fn attach(&mut self, bar: Option<Progress>) {
        self.bar = bar;
    }

    /// A failure on standard error: one line what, one line what to do next; as an object with JSON.
    pub fn failure(&mut self, failure: &Failure) {
        let _ = self.stdout.flush();
        if failure.silent {
            return;
        }
        if self.is_json() {
            self.note(failure.to_json());
            return;
        }
        let reason = failure.reason.as_deref().map(|r| format!(" [{r}]"));
        let name = if self.colored_errors {
            format!("{BAD}casectl:{BAD:#}")
        } else {
            "casectl:".into()
        };
        self.note(format_args!(
            "{name} {}{}",
            failure.what,
            reason.unwrap_or_default()
        ));
        for violation in &failure.violations {
            self.note(format_args!(
                "  {}: {}",
                violation.field, violation.description
            ));
        }
        if !failure.next.is_empty() {
            self.note(&failure.next);
        }
        if !failure.detail.is_empty() {
            self.note(failure.detail.trim_end());
        }
    }

    /// Refuses CSV where there are no rows.
    pub fn no_csv(&self) -> Result<()> {
        match self.format {
            Format::Csv => Err(Failure::usage(
                "this command has no CSV output",
                "Use -o table, json or jsonl; csv is for `list`, `count`, `trend` and other lists.",
            )),
            _ => Ok(()),
        }
    }
}

/// Columns: of the terminal; without one as COLUMNS says, and unlimited if it says nothing, since what is piped is to be
/// searched, not looked at.
fn width() -> Option<usize> {
    let said = || env::var("COLUMNS").ok()?.parse().ok();
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    if io::stdout().is_terminal() {
        terminal().or_else(said).or(Some(80)).map(|w| w.max(40))
    } else {
        said().map(|w: usize| w.max(40))
    }
}
