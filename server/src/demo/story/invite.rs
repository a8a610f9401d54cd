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
        let casectl = format!(
            "{} --config {}",
            casectl(),
            quoted(&self.layout.casectl_config())
        );
        let screen = &self.screen;
        screen.gap();
        screen.title("Now try it yourself, in another terminal");
        for (remark, lines) in topics(&example, &receipt_file(&site, TELLING)?, &report.name) {
            screen.remark(remark);
            for arguments in lines {
                screen.command(&format!("{casectl} {arguments}"));
            }
        }
        screen.gap();
        screen.paragraph(&format!(
            "The broker serves on {} until Ctrl-C. The same one starts again with:",
            site.address
        ));
        screen.command(&format!(
            "{} serve --config {}",
            casebroker(),
            quoted(&self.layout.broker_config())
        ));
        if temporary {
            let root = root.display();
            screen.paragraph(&format!(
                "Everything is in {root}, which is yours to delete."
            ));
        }
        Ok(())
    }
}

/// What to try with `casectl`: a remark, and the arguments of one or more lines.
fn topics(example: &Path, receipt: &Path, name: &str) -> Vec<(&'static str, Vec<String>)> {
    let kept = example.with_extension("json.receipts.jsonl");
    let evidence = example.with_file_name("evidence").join("lab-report.txt");
    let secret = made_up::confidential().name;
    vec![
        ("who am I to the broker?", vec!["whoami".into()]),
        (
            "cases of two agencies, as a liaison officer of China's commission",
            vec!["--context cn-nncc-officer list --agency mx-semar --agency ca-rcmp".into()],
        ),
        (
            "how many came from China, by year; why the others do not count, with the line that lists them; how often goods left China before and \
             after it controlled carfentanil",
            vec![
                "--context cn-nncc-officer count --origin CN --by origin,year".into(),
                "--context cn-nncc-officer count --origin CN --status attributed --explain".into(),
                "--context cn-nncc-officer trend --departure CN --around carfentanil-cn-2017 --period year --before 3 --after 3".into(),
            ],
        ),
        (
            "one case, and what was said about it when",
            vec![format!("get {TELLING}"), format!("history {TELLING}")],
        ),
        (
            "a case for two agencies alone; with cn-nncc-officer there is no such case",
            vec![format!("--context ca-rcmp-officer get {secret}")],
        ),
        (
            "report a case with evidence (made up), and read it back",
            vec![format!("submit {}", quoted(example)), format!("get {name}")],
        ),
        (
            "a receipt from the log, of entry 0, the registry; then checks that need no broker, the second with the evidence itself",
            vec![
                "log receipt 0".into(),
                format!("verify {}", quoted(receipt)),
                format!("verify {} --evidence {}", quoted(&kept), quoted(&evidence)),
            ],
        ),
    ]
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
