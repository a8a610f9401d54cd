//! What the demonstration prints: numbered steps, aligned rows, colour on a terminal only.

use std::{
    fmt,
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};

/// Columns that a line may take: at most, and where nobody says how wide the screen is.
const WIDEST: usize = 110;
const USUAL: usize = 100;
/// Narrower than this it cannot be made readable.
const NARROWEST: usize = 60;
/// Columns before a row's label and the label's own.
const INDENT: usize = 3;
const LABEL: usize = 17;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const ALERT: Style = AnsiColor::Yellow.on_default();

/// Where the story is told, and how long each step took.
#[derive(Debug)]
pub(super) struct Screen {
    begin: Instant,
    steps: Vec<Step>,
    /// Whether lines can be written over.
    live: bool,
    /// Columns that a line may take.
    width: usize,
}

#[derive(Debug)]
struct Step {
    title: String,
    begin: Instant,
    took: Option<Duration>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            begin: Instant::now(),
            steps: Vec::new(),
            live: std::io::stdout().is_terminal(),
            width: width(),
        }
    }

    /// The first line of all.
    pub(super) fn title(&self, text: &str) {
        print(format_args!("{BOLD}{text}{BOLD:#}"));
    }

    /// A paragraph across the screen.
    pub(super) fn paragraph(&self, text: &str) {
        for line in wrap(text, self.width) {
            print(format_args!("{line}"));
        }
    }

    /// Begins the next step and ends the one before.
    pub(super) fn step(&mut self, title: &str) {
        self.end_step();
        let number = self.steps.len() + 1;
        print(format_args!("\n{HEADING}{number}  {title}{HEADING:#}"));
        self.steps.push(Step {
            title: title.to_owned(),
            begin: Instant::now(),
            took: None,
        });
    }

    /// Ends the running step.
    pub(super) fn end_step(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.took.get_or_insert_with(|| step.begin.elapsed());
        }
    }

    /// A label and what there is to say of it.
    pub(super) fn row(&self, label: &str, text: impl AsRef<str>) {
        self.labelled(label, "", Style::new(), text.as_ref());
    }

    /// A claim that has just been checked.
    pub(super) fn good(&self, label: &str, text: impl AsRef<str>) {
        self.labelled(label, "✓ ", GOOD, text.as_ref());
    }

    /// Something that goes wrong on purpose, or could.
    pub(super) fn alert(&self, label: &str, text: impl AsRef<str>) {
        self.labelled(label, "! ", ALERT, text.as_ref());
    }

    /// Somebody's own words.
    pub(super) fn quote(&self, text: &str) {
        let margin = INDENT + LABEL;
        for line in wrap(text, self.width - margin - 2) {
            print(format_args!("{:margin$}{DIM}│{DIM:#} {line}", ""));
        }
    }

    /// A line that can be copied as it is: never wrapped.
    pub(super) fn command(&self, text: &str) {
        print(format_args!("   {BOLD}{text}{BOLD:#}"));
    }

    /// A remark above a command.
    pub(super) fn remark(&self, text: &str) {
        print(format_args!("\n   {DIM}# {text}{DIM:#}"));
    }

    /// An empty line.
    pub(super) fn gap(&self) {
        print(format_args!(""));
    }

    /// A figure that changes while one waits; only where lines can be written over.
    pub(super) fn progress(&self, label: &str, text: impl fmt::Display) {
        if self.live {
            let text = text.to_string();
            let text = text.chars().take(self.width - INDENT - LABEL);
            let text = text.collect::<String>();
            let mut out = anstream::stdout().lock();
            let _ = write!(
                out,
                "\r{:INDENT$}{DIM}{label:<LABEL$}{DIM:#}{text}\x1b[K",
                ""
            );
            let _ = out.flush();
        }
    }

    /// How long each step took.
    pub(super) fn summary(&mut self) {
        self.end_step();
        self.gap();
        let width = self.width.min(USUAL) - INDENT - 13;
        for (n, step) in self.steps.iter().enumerate() {
            let took = seconds(step.took.unwrap_or_default());
            let (n, title) = (n + 1, &step.title);
            print(format_args!("   {n}  {title:<width$}{DIM}{took:>9}{DIM:#}"));
        }
        let took = seconds(self.begin.elapsed());
        print(format_args!(
            "   {BOLD}{:<w$}{took:>9}{BOLD:#}",
            "Every claim held",
            w = width + 3
        ));
    }

    fn labelled(&self, label: &str, mark: &str, style: Style, text: &str) {
        if self.live {
            let _ = write!(anstream::stdout(), "\r\x1b[K");
        }
        let indent = mark.chars().count();
        let lines = wrap(text, self.width - INDENT - LABEL - indent);
        for (n, line) in lines.iter().enumerate() {
            let (label, mark) = if n == 0 { (label, mark) } else { ("", "") };
            print(format_args!(
                "{:INDENT$}{DIM}{label:<LABEL$}{DIM:#}{style}{mark:indent$}{style:#}{line}",
                ""
            ));
        }
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn count(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration for people.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Somebody who looks at the beginning only (`| head`) is no reason to fail.
fn print(line: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// Columns of the terminal, within what is readable.
fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .map_or(USUAL, |columns| columns.clamp(NARROWEST, WIDEST))
}

/// Breaks at blanks; a word longer than the line stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let longer = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && longer > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_long_words_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a/very/long/path b", 5), ["a/very/long/path", "b"]);
        assert_eq!(wrap("a\nb", 5), ["a", "b"]);
    }

    #[test]
    fn large_numbers_are_grouped_in_threes() {
        assert_eq!(count(7_u64), "7");
        assert_eq!(count(999_usize), "999");
        assert_eq!(count(1_234_567_u64), "1,234,567");
    }
}
