//! The access record as an operator sees it: files, and `casebroker check`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{Site, broker::binary, casectl::Ended};

/// Files of the record, oldest first.
pub fn files(site: &Site) -> Vec<PathBuf> {
    let dir = site.data().join("access");
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

/// Every line but those that begin a file.
pub fn lines(site: &Site) -> Vec<Value> {
    let mut lines = Vec::new();
    for path in files(site) {
        let text = fs::read_to_string(path).unwrap();
        // What a running broker writes just now has no end yet.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let values = whole
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.extend(values.filter(|value| value.get("seq").is_some()));
    }
    lines
}

/// The last line.
pub fn last(site: &Site) -> Value {
    lines(site).pop().expect("the record has a line")
}

/// Changes the lines of a file, the one that begins it included.
pub fn edit(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.split_inclusive('\n').map(str::to_owned).collect();
    change(&mut lines);
    fs::write(path, lines.concat()).unwrap();
}

/// Makes the checksum of a changed line right again, as somebody would who knows the format.
pub fn mend_checksum(line: &mut String) {
    let at = line.rfind(",\"crc\":\"").unwrap();
    let crc = format!("{:08x}", crc32c::crc32c(&line.as_bytes()[..at]));
    line.replace_range(at + 8..at + 16, &crc);
}

/// Runs `casebroker check` with the site's configuration.
pub fn check(site: &Site) -> Ended {
    let output = Command::new(binary("casebroker"))
        .arg("check")
        .arg("--data")
        .arg(site.data())
        .arg("--config")
        .arg(site.config())
        .output();
    output.unwrap().into()
}
