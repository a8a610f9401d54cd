//! Writes every target's seeds into `fuzz/corpus`, beside what fuzzing found. Run it after a format or a seed changed.

use std::fs;

use casebroker_fuzz_targets::TARGETS;

fn main() -> std::io::Result<()> {
    for target in TARGETS {
        let folder = target.corpus();
        fs::create_dir_all(&folder)?;
        for (name, data) in (target.seeds)() {
            fs::write(folder.join(format!("seed-{name}")), data)?;
        }
        for (name, data) in (target.refused)() {
            fs::write(folder.join(format!("refused-{name}")), data)?;
        }
    }
    Ok(())
}
