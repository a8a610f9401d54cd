//! `casectl completions`: completion of commands and options for a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::{failure::Result, output::Output};

/// Print the completion script of a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl completions bash > ~/.local/share/bash-completion/completions/casectl
  casectl completions zsh > ~/.zfunc/_casectl
  casectl completions fish > ~/.config/fish/completions/casectl.fish")]
pub struct Completions {
    /// Shell
    shell: Shell,
}

/// Runs the command.
pub fn run(args: Completions, mut command: Command, out: &mut Output) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "casectl", &mut script);
    out.raw(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn values_of_enums_and_dimensions_are_completed() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut out = Output::kept(80);
            run(Completions { shell }, crate::Cli::command(), &mut out).unwrap();
            let script = out.text();
            for word in [
                "attributed",
                "fentanyl-analogue",
                "shipping-document",
                "air-cargo",
                "origin-basis",
                "substance-class",
                "reporting-unit",
                "newest",
                "quarter",
                "--recorded-from",
                "dead-letters",
                "evidence-request",
                "--incident-from",
            ] {
                // Options stand without their hyphens in some of them.
                let word = word.trim_start_matches('-');
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
