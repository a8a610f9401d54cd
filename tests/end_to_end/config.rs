//! A configuration that is wrong is refused with where and why.

use std::{fs, process::Command};

use casebroker_tests::{Site, broker::binary};

fn refusal(site: &Site) -> String {
    let refusal = site.start_refused();
    assert_eq!(refusal.status.code(), Some(1), "{refusal}");
    assert!(!site.data().exists(), "nothing was made");
    refusal.stderr
}

fn line_of(site: &Site, beginning: &str) -> usize {
    let text = fs::read_to_string(site.config()).unwrap();
    text.lines()
        .position(|line| line.starts_with(beginning))
        .unwrap()
        + 1
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

#[test]
fn a_value_out_of_range_names_key_value_range_and_line() {
    for (key, value, range) in [
        ("limits.readers", "0", "1 to 1024"),
        ("limits.connections", "70000", "1 to 65536"),
        ("sequencer.group_entries", "16385", "1 to 16384"),
        ("journal.segment_bytes", "1048575", "1048576 to 1073741824"),
        ("trust_domain", "\"Upper.Example\"", "a-z"),
    ] {
        let site = Site::new().with(key, value);
        let last = key.rsplit('.').next().unwrap();
        let line = format!("broker.toml:{}:", line_of(&site, last));
        assert_says(
            &refusal(&site),
            &[&line, &format!("`{key} = {value}`"), range],
        );
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    for key in ["colour", "limits.colour", "paint.colour"] {
        let site = Site::new().with(key, 1);
        let words = if key.starts_with("paint") {
            "paint"
        } else {
            "colour"
        };
        let line = match words {
            "paint" => line_of(&site, "[paint]"),
            _ => line_of(&site, "colour"),
        };
        assert_says(
            &refusal(&site),
            &["unknown field", words, &format!("line {line}")],
        );
    }
}

#[test]
fn a_value_of_another_type_is_named_with_its_line() {
    let site = Site::new().with("limits.readers", "\"many\"");
    let line = format!("broker.toml:{}:", line_of(&site, "readers"));
    let words = [&*line, "`limits.readers = \"many\"`", "accepted: 1 to 1024"];
    assert_says(&refusal(&site), &words);
    let site = Site::new().with("listen", "\"127.0.0.1\"");
    let line = format!("broker.toml:{}:", line_of(&site, "listen"));
    let words = [&*line, "`listen = \"127.0.0.1\"`", "accepted: ", ":7443\""];
    assert_says(&refusal(&site), &words);
}

#[test]
fn a_missing_file_is_named_with_what_to_do() {
    // Else a member's files keep nobody but that member out.
    let site = Site::new().with("identity.strict", true);
    let missing = |file: &str| {
        let (path, aside) = (site.path().join(file), site.path().join("aside"));
        fs::rename(&path, &aside).unwrap();
        let stderr = refusal_keeping_data(&site);
        fs::rename(aside, path).unwrap();
        stderr
    };
    for file in [
        "pki/server.pem",
        "pki/server.key",
        "pki/log.key",
        "pki/members/us-dea/anchor.pem",
        "pki/members/us-dea/member.toml",
        "pki/members",
    ] {
        assert_says(&missing(file), &[file]);
    }
    let without = missing("broker.toml");
    assert_says(&without, &["broker.toml", "casebroker config example"]);
    assert!(
        site.start().stop_blocking().status.success(),
        "all of them were there"
    );
}

#[test]
fn a_missing_path_names_the_key_and_line_that_led_to_it_and_its_cause_once() {
    for (key, file) in [
        ("tls.certificate", "pki/server.pem"),
        ("tls.key", "pki/server.key"),
        ("log.key", "pki/log.key"),
        ("members_dir", "pki/members"),
    ] {
        let site = Site::new();
        fs::rename(site.path().join(file), site.path().join("aside")).unwrap();
        let text = fs::read_to_string(site.config()).unwrap();
        let line = text.lines().position(|line| line.contains(file)).unwrap() + 1;
        let stderr = refusal(&site);
        let place = format!("broker.toml:{line}: `{key}`: ");
        assert_says(&stderr, &[&place, file, "No such file"]);
        assert_eq!(stderr.matches("No such file").count(), 1, "{stderr}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_names_key_and_line_and_what_to_do() {
    for key in ["data_dir", "log.checkpoint_dir"] {
        // A file is in the way, which stops the superuser too.
        let site = Site::new().with(key, "\"broker.toml/data\"");
        let stderr = refusal_keeping_data(&site);
        let last = key.rsplit('.').next().unwrap();
        let place = format!("broker.toml:{}: `{key}`: ", line_of(&site, last));
        assert_says(&stderr, &[&place, "or point", "elsewhere"]);
    }
}

fn refusal_keeping_data(site: &Site) -> String {
    let refusal = site.start_refused();
    assert_eq!(refusal.status.code(), Some(1), "{refusal}");
    refusal.stderr
}

#[test]
fn a_key_that_everybody_may_read_is_refused_with_the_command_that_mends_it() {
    use std::os::unix::fs::PermissionsExt as _;
    for key in ["pki/server.key", "pki/log.key"] {
        let site = Site::new();
        let path = site.path().join(key);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let stderr = refusal_keeping_data(&site);
        assert_says(&stderr, &["chmod o-rwx", key]);
    }
}

#[test]
fn the_example_that_the_broker_prints_passes_its_own_check() {
    let example = Command::new(binary("casebroker"))
        .args(["config", "example"])
        .output()
        .unwrap();
    assert!(example.status.success());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("broker.toml");
    fs::write(&file, &example.stdout).unwrap();
    let check = |file: &std::path::Path| {
        let mut command = Command::new(binary("casebroker"));
        command
            .args(["config", "check"])
            .arg(file)
            .output()
            .unwrap()
    };
    assert!(check(&file).status.success());
    fs::write(&file, "listen = 1").unwrap();
    assert_eq!(check(&file).status.code(), Some(1));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let site = Site::new().with("listen", format!("\"{address}\""));
    let stderr = refusal_keeping_data(&site);
    assert_says(&stderr, &[&address.to_string(), "listen"]);
}
