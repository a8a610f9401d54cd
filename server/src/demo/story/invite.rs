//! The end: lines to copy, for the broker that is still running.

use std::{fs, path::Path};

use anyhow::Context as _;
use casebroker_proto::json;

use super::{Stage, TELLING, receipt_file};
use crate::demo::made_up;

impl Stage {
    /// Writes an example to submit, and prints what to try.
    pub(in crate::demo) fn invite(&self, temporary: bool) -> anyhow::Result<()> {
        let site = self.site()?;
        let root = self.layout.root();
        let example = root.join("one.json");
        let report = made_up::example(&root.join("evidence"))?;
        let value = json::to_value("casebroker.v1.CaseReport", &report)?;
        fs::write(&example, format!("{value:#}\n"))
            .with_context(|| format!("cannot write {}", example.display()))?;
        let receipt = receipt_file(&site, TELLING)?;
        let casectl = format!(
            "{} --config {}",
            casectl(),
            quoted(&self.layout.casectl_config())
        );
        let screen = &self.screen;
        screen.gap();
        screen.title("Now try it yourself, in another terminal");
        let (example, receipt) = (quoted(&example), quoted(&receipt));
        for (remark, arguments) in [
            ("who am I to the broker?", "whoami".to_owned()),
            (
                "the newest cases, as an officer of China's commission",
                "--context cn-nncc-officer list".into(),
            ),
            ("one case, and its history", format!("get {TELLING}")),
            ("", format!("history {TELLING}")),
            (
                "report a case with evidence, made up; its receipt is kept",
                format!("submit {example}"),
            ),
            ("", format!("get {}", report.name)),
            (
                "a receipt from the log, and a check of one that needs no broker",
                "log receipt 0".into(),
            ),
            ("", format!("verify {receipt}")),
        ] {
            if !remark.is_empty() {
                screen.remark(remark);
            }
            screen.command(&format!("{casectl} {arguments}"));
        }
        screen.gap();
        screen.paragraph(&format!(
            "The broker serves on {} until Ctrl-C. To start it again later: casebroker serve --config {}",
            site.address,
            quoted(&self.layout.broker_config())
        ));
        if temporary {
            screen.paragraph(&format!(
                "Everything is in {}, which is yours to delete.",
                root.display()
            ));
        }
        Ok(())
    }
}

/// How to run this program again.
pub(in crate::demo) fn casebroker() -> String {
    std::env::current_exe().map_or_else(|_| "casebroker".into(), |path| quoted(&path))
}

/// How to run `casectl` from here: the one beside this program if there is one.
fn casectl() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("casectl")))
        .filter(|path| path.exists())
        .map_or_else(
            || "cargo run --release --bin casectl --".into(),
            |path| quoted(&path),
        )
}

/// A path as a shell takes it.
pub(in crate::demo) fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_shell() {
        assert_eq!(quoted(Path::new("/tmp/a-b_1.d/c")), "/tmp/a-b_1.d/c");
        assert_eq!(quoted(Path::new("/tmp/it's here")), r"'/tmp/it'\''s here'");
    }
}
