//! What stands in `deploy/` agrees with the code.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use casebroker_server::{config::EXAMPLE, sequencer::EXIT_IO};
use casebroker_tests::broker::binary;

const UNIT: &str = include_str!("../../deploy/systemd/casebroker.service");
const CONTAINER: &str = include_str!("../../deploy/container/Dockerfile");
const LET_IN: &str = include_str!("../../deploy/container/Dockerfile.dockerignore");
const README: &str = include_str!("../../deploy/README.md");
const CONFIG: &str = include_str!("../../deploy/broker.toml");
const WORKSPACE: &str = include_str!("../../Cargo.toml");
const PATH: &str = "/etc/casebroker/broker.toml";

/// Values of a key in the unit, in their order.
fn unit(key: &str) -> Vec<&'static str> {
    let values: Vec<_> = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .collect();
    assert!(!values.is_empty(), "the unit has no {key}");
    values
}

/// What follows an instruction of the recipe, in their order.
fn recipe(instruction: &str) -> Vec<&'static str> {
    let lines: Vec<_> = CONTAINER
        .lines()
        .filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '))
        .collect();
    assert!(!lines.is_empty(), "the recipe has no {instruction}");
    lines
}

/// The one value in quotes of a key in a TOML text.
fn quoted<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| {
            line.strip_prefix(key)?
                .strip_prefix(" = \"")?
                .split('"')
                .next()
        })
        .collect()
}

fn help(arguments: &[&str]) -> String {
    let mut command = Command::new(binary("casebroker"));
    let output = command.args(arguments).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_configuration_passes_the_brokers_own_check() {
    let file = root().join("deploy/broker.toml");
    let check = Command::new(binary("casebroker"))
        .args(["config", "check"])
        .arg(file)
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}

#[test]
fn unit_and_recipe_call_the_broker_by_words_that_it_knows() {
    let serve = help(&["serve"]);
    assert_eq!(
        unit("ExecStart"),
        [format!(
            "/usr/local/bin/casebroker serve --config {PATH} --log-json"
        )]
    );
    assert_eq!(
        unit("ExecStartPre"),
        [format!("/usr/local/bin/casebroker config check {PATH}")]
    );
    assert_eq!(recipe("ENTRYPOINT"), ["[\"/usr/local/bin/casebroker\"]"]);
    assert_eq!(
        recipe("CMD"),
        [format!(
            "[\"serve\", \"--config\", \"{PATH}\", \"--log-json\"]"
        )]
    );
    assert!(
        serve.contains("--config") && serve.contains("--log-json"),
        "{serve}"
    );
    let build = "cargo build --release --locked --bin casebroker --bin casectl";
    assert!(recipe("RUN").contains(&build));
}

#[test]
fn a_failed_sync_is_not_answered_by_a_new_start() {
    assert_eq!(unit("RestartPreventExitStatus"), [EXIT_IO.to_string()]);
    assert_eq!(unit("Restart"), ["on-failure"]);
    assert!(README.contains(&format!("status {EXIT_IO}")));
}

#[test]
fn the_unit_waits_longer_than_the_longest_stop_that_can_be_configured() {
    let seconds: u64 = unit("TimeoutStopSec")[0].parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("broker.toml");
    let accepted = |ms: u64| {
        let text = format!("shutdown_timeout_ms = {ms}\n{CONFIG}");
        fs::write(&file, text).unwrap();
        let mut check = Command::new(binary("casebroker"));
        check.args(["config", "check"]).arg(&file);
        check.output().unwrap().status.success()
    };
    assert!(accepted(10_000));
    assert!(
        !accepted(seconds * 1_000),
        "a stop may take as long as the unit waits"
    );
    assert!(README.contains(&format!("TimeoutStopSec={seconds}")));
}

#[test]
fn paths_are_the_same_in_unit_recipe_configuration_and_readme() {
    let folders: Vec<_> = unit("StateDirectory")[0]
        .split(' ')
        .map(|name| format!("/var/lib/{name}"))
        .collect();
    let configured = [quoted(CONFIG, "data_dir"), quoted(CONFIG, "checkpoint_dir")].concat();
    assert_eq!(configured, folders);
    assert_eq!(
        recipe("VOLUME"),
        [format!("[\"{}\", \"{}\"]", folders[0], folders[1])]
    );

    let credentials: BTreeMap<_, _> = unit("LoadCredential")
        .into_iter()
        .map(|value| value.split_once(':').unwrap())
        .collect();
    let keys = quoted(CONFIG, "key");
    assert_eq!(keys.len(), credentials.len());
    for (name, source) in credentials {
        let path = format!("/run/credentials/casebroker.service/{name}");
        assert!(keys.contains(&path.as_str()), "{name}");
        assert_eq!(source, format!("/etc/casebroker/keys/{name}"));
        assert!(README.contains(&format!("target={path},")));
    }
    for path in folders.iter().map(String::as_str).chain([
        PATH,
        quoted(CONFIG, "members_dir")[0],
        quoted(CONFIG, "certificate")[0],
    ]) {
        assert!(
            README.contains(&format!("`{path}")),
            "{path} is not explained"
        );
    }
    let port = recipe("EXPOSE")[0];
    assert!(quoted(CONFIG, "listen")[0].ends_with(&format!(":{port}")));
    assert!(EXAMPLE.contains(&format!(":{port}\"")));
}

#[test]
fn the_recipe_lets_in_what_the_workspace_is_built_from_and_builds_it_with_its_oldest_compiler() {
    let members = WORKSPACE
        .lines()
        .find_map(|l| l.strip_prefix("members = ["))
        .unwrap();
    for member in members.trim_end_matches(']').split(", ") {
        let top = member.trim_matches('"').split('/').next().unwrap();
        assert!(
            LET_IN.lines().any(|line| line == format!("!{top}")),
            "{member} stays out"
        );
    }
    for line in LET_IN.lines().filter_map(|line| line.strip_prefix('!')) {
        assert!(root().join(line).exists(), "{line} is not there");
    }
    let version = quoted(WORKSPACE, "rust-version")[0];
    assert!(recipe("FROM")[0].contains(&format!("/rust:{version}-slim")));
    assert!(recipe("ENV")[0].contains(&format!("RUSTUP_TOOLCHAIN={version} ")));
    assert_eq!(recipe("USER"), ["65532:65532"]);
}

#[test]
fn options_named_in_the_readme_exist() {
    let mut named = 0;
    for word in README.split('`').skip(1).step_by(2) {
        let option = word.rsplit('.').next().unwrap();
        let is_option =
            option.contains('_') && option.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if is_option {
            named += 1;
            assert!(
                EXAMPLE.contains(&format!("{option} = ")),
                "there is no option {word}"
            );
        }
    }
    assert!(named >= 4, "{named}");
    let files: usize = unit("LimitNOFILE")[0].parse().unwrap();
    let connections = EXAMPLE
        .lines()
        .find_map(|l| l.strip_prefix("connections = "))
        .unwrap();
    assert!(files > 2 * connections.parse::<usize>().unwrap());
    assert_eq!(unit("LimitCORE"), ["0"]);
}

#[test]
fn the_unit_lets_the_broker_see_under_which_boot_it_runs() {
    let session = include_str!("../../server/src/state/session.rs");
    assert!(session.contains("\"/proc/sys/kernel/random/boot_id\""));
    let hides = |line: &str| line.starts_with("ProcSubset=");
    assert!(!UNIT.lines().any(hides), "/proc/sys would be hidden");
}
