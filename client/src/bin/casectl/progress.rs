//! A progress bar on standard error, if that is a terminal and there is enough to wait for.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far the input has been read.
#[derive(Debug, Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// For a number of bytes, if it is known; shows nothing where nobody would see it.
    pub fn new(name: String, size: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::none();
        }
        let (bar, template) = match size {
            Some(size) => (
                ProgressBar::new(size),
                "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{msg} {spinner} {bytes} {bytes_per_sec}",
            ),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(name);
        bar.enable_steady_tick(Duration::from_millis(500));
        Self(bar)
    }

    /// For a number of things; shows nothing where nobody would see it.
    pub fn counted(name: String, total: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::none();
        }
        let bar = ProgressBar::new(total);
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {per_sec} {eta}")
        {
            bar.set_style(style);
        }
        bar.set_message(name);
        bar.enable_steady_tick(Duration::from_millis(500));
        Self(bar)
    }

    /// One that shows nothing.
    pub fn none() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So many bytes were read, or things done.
    pub fn read(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }

    /// Prints something without tearing the bar.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    /// The same for what has a result.
    pub fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }
}
