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
