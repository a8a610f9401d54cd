//! Keys and what cases say stay where they belong: not in logs, not in dumps, not in files that others can read.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casebroker_client::{Client, Profile};
use casebroker_proto::{errors::Reason, tlog::NoteSigner};
use casebroker_server::{config::Config, transparency};
use casebroker_tests::{
    Broker, CBP, DEA, RCMP, Site,
    broker::binary,
    casectl::{Casectl, json_line},
    cases, refused,
    site::ORIGIN,
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

const NARRATIVE: &str = "Zyqwarin told the officers about the blue suitcase in Przemysl";
/// Words of the narrative that stand nowhere else.
const TELLING: [&str; 2] = ["Zyqwarin", "blue suitcase"];

/// Both private keys that the broker holds, as bytes that must stay secret.
fn keys(site: &Site) -> [(&'static str, Vec<u8>); 2] {
    let read = |name: &str| fs::read_to_string(site.path().join("pki").join(name)).unwrap();
    let tls = PrivateKeyDer::from_pem_slice(read("server.key").as_bytes()).unwrap();
    let log = read("log.key");
    let log = STANDARD.decode(log.trim().splitn(5, '+').last().unwrap());
    [
        // After the framing of PKCS#8 and SEC 1 come the 32 bytes of the number.
        ("the key for TLS", tls.secret_der()[36..68].to_vec()),
        // After the type come the 32 bytes of the seed.
        ("the log's key", log.unwrap()[1..33].to_vec()),
    ]
}

/// How a key's bytes can look in a text: hexadecimal, base64 at each of the three alignments, a list of numbers.
fn spellings(key: &[u8]) -> Vec<String> {
    let part = &key[3..15];
    let numbers = |text: String| text.trim_matches(['[', ']']).to_lowercase();
    let mut spellings = vec![
        hex::encode(part),
        numbers(format!("{part:?}")),
        numbers(format!("{part:x?}")),
        numbers(format!("{part:02x?}")),
    ];
    for skip in 0..3 {
        // Case counts in base64, and what is searched is in lower case: then equality is only likelier.
        spellings.push(STANDARD.encode(&part[skip..skip + 9]).to_lowercase());
    }
    spellings
}

fn assert_silent(what: &str, text: &str, site: &Site) {
    let text = text.to_lowercase();
    for word in TELLING {
        assert!(
            !text.contains(&word.to_lowercase()),
            "{what} tells {word:?}"
        );
    }
    for (name, key) in keys(site) {
        for spelling in spellings(&key) {
            assert!(!text.contains(&spelling), "{what} shows {name}");
        }
    }
}

#[test]
fn the_search_finds_a_key_in_every_spelling() {
    let key: Vec<u8> = (0..32_u8)
        .map(|i| i.wrapping_mul(37).wrapping_add(200))
        .collect();
    let numbers = |text: String| text.trim_matches(['[', ']']).to_owned();
    let mut texts = vec![
        hex::encode(&key),
        hex::encode_upper(&key),
        numbers(format!("{key:?}")),
        numbers(format!("{key:02x?}")),
        numbers(format!("{key:X?}")),
    ];
    for before in 0..3 {
        texts.push(STANDARD.encode([&vec![1; before], key.as_slice()].concat()));
    }
    for text in texts {
        let text = text.to_lowercase();
        let found = |spelling: &String| text.contains(spelling.as_str());
        assert!(spellings(&key).iter().any(found), "{text}");
    }
}

#[tokio::test]
async fn no_type_that_holds_a_key_shows_it_when_it_is_printed_for_debugging() {
    let site = Site::new();
    let log = site.path().join("pki/log.key");
    let text = fs::read_to_string(&log).unwrap();
    let note = NoteSigner::from_private_key_text(text.trim()).unwrap();
    let identity = transparency::Identity::load(ORIGIN, &log).unwrap();
    let config = Config::load(&site.config()).unwrap();
    let broker = casebroker_server::broker::Broker::open(config.clone())
        .await
        .unwrap();

    // What an agency holds, in files as its system would have them.
    let dir = site.path().join("agency");
    fs::create_dir(&dir).unwrap();
    let principal = site.principal(DEA, "system");
    let (certificate, key) = site.signing_pair(DEA);
    let own = [
        ("ca.pem", site.broker_anchor()),
        ("client.pem", &principal.identity.certificate),
        ("client.key", &principal.identity.key),
        ("signer.pem", certificate),
        ("signer.key", key),
    ];
    for (name, text) in own {
        fs::write(dir.join(name), text).unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut profile = Profile::new(
        "https://localhost:1",
        dir.join("ca.pem"),
        dir.join("client.pem"),
        dir.join("client.key"),
    );
    profile.signing_certificate = Some(dir.join("signer.pem"));
    profile.signing_key = Some(dir.join("signer.key"));
    let signer = profile.signer().unwrap().unwrap();
    let client = Client::connect(&profile).unwrap();

    let shown = format!(
        "{note:?} {note:#?} {identity:?} {identity:#?} {config:?} {broker:?} {broker:#?} {profile:?} {signer:?} \
         {signer:#?} {client:?} {client:#?}"
    );
    assert_silent("the text", &shown, &site);
    let shown = shown.to_lowercase();
    for pem in [principal.identity.key.as_str(), key] {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        for spelling in spellings(&der.secret_der()[36..68]) {
            assert!(!shown.contains(&spelling), "{shown}");
        }
    }
    // Left alone its threads would still write to the site's folder once that is gone, and end this process for it.
    broker.serve(None, async {}).await.unwrap();
}

#[tokio::test]
async fn the_most_verbose_log_shows_no_key_and_nothing_that_a_case_says() {
    let site = Site::new();
    let mut command = Command::new(binary("casebroker"));
    command.env("CASEBROKER_LOG", "trace");
    let broker = Broker::start_under(&site, command).unwrap();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let rcmp = broker.connect(&site.principal(RCMP, "officer")).await;

    let told = |case: &str| {
        let mut report = cases::report(DEA, case);
        report.narrative = NARRATIVE.into();
        report.title = NARRATIVE.into();
        report
    };
    let good = cases::reporting(told("2016-0001"));
    dea.submit(&good).await.unwrap();
    rcmp.get(&cases::name(DEA, "2016-0001")).await.unwrap();
    rcmp.list(None).await;

    // Refused for each kind of reason: the same id again, a rule broken, a signature, a signer, somebody else's case.
    let mut other = good.clone();
    other.make_time.as_mut().unwrap().seconds -= 1;
    refused(dea.submit(&other).await, Reason::RequestIdReused);
    let again = cases::reporting(told("2016-0001"));
    refused(dea.submit(&again).await, Reason::CaseExists);
    let mut wrong = told("2016-0002");
    wrong.place.as_mut().unwrap().country = NARRATIVE.into();
    wrong.narrative = NARRATIVE.repeat(400);
    let wrong = cases::reporting(wrong);
    refused(dea.submit(&wrong).await, Reason::InvalidFields);
    let mut forged = dea.sign(&cases::reporting(told("2016-0003")));
    *forged.last_mut().unwrap() ^= 1;
    assert!(dea.submit_signed(forged).await.is_err());
    assert!(dea.submit_signed(NARRATIVE.into()).await.is_err());
    let cbp = broker.connect(&site.principal(CBP, "system")).await;
    let theirs = cases::reporting(told("2016-0004"));
    assert!(cbp.submit(&theirs).await.is_err());
    let outcomes = dea
        .submit_all(vec![dea.sign(&wrong), NARRATIVE.into()])
        .await;
    assert!(outcomes.unwrap().iter().all(Result::is_err));

    let stopped = broker.stop().await;
    assert!(stopped.status.success());
    assert!(
        stopped.stderr.contains("TRACE") && stopped.stderr.len() > 10_000,
        "the log is not verbose:\n{}",
        stopped.stderr
    );
    assert_silent("the log", &stopped.stderr, &site);
}

#[tokio::test]
async fn no_file_that_the_broker_writes_holds_a_key() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "2016-0001"))
        .await
        .unwrap();
    assert!(broker.stop().await.status.success());
    let mut files = BTreeMap::new();
    collect(&site.data(), &mut files);
    assert!(files.len() > 3, "{:?}", files.keys());
    for (path, bytes) in files {
        for (name, key) in keys(&site) {
            let found = bytes.windows(key.len()).any(|window| window == key);
            assert!(!found, "{} holds {name}", path.display());
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert!(
            is_closed(&site.data()) || mode & 0o077 == 0,
            "{}",
            path.display()
        );
    }
}

fn is_closed(dir: &Path) -> bool {
    fs::metadata(dir).unwrap().permissions().mode() & 0o077 == 0
}

fn collect(dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

#[test]
fn a_serving_broker_has_no_room_for_a_core_dump() {
    let site = Site::new();
    let broker = site.start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", broker.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<_> = core.unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{core:?}");
}

#[test]
fn casectl_refuses_a_key_that_everybody_may_read_and_says_how_to_mend_it() {
    let site = Site::new();
    let broker = site.start();
    let casectl = Casectl::new(&site, &broker, DEA, "officer");
    casectl.write("one.json", &json_line(&cases::report(DEA, "a")));
    let chmod = |key: &str, mode: u32| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(casectl.path(key), permissions).unwrap();
    };
    for (key, commands) in [
        (
            "client.key",
            &[&["whoami"][..], &["list"], &["submit", "one.json"]][..],
        ),
        ("signer.key", &[&["submit", "one.json"]]),
    ] {
        chmod(key, 0o644);
        for command in commands {
            let ended = casectl.expect(1, command);
            let says = |words: &str| ended.stderr.contains(words);
            assert!(says(key) && says("chmod o-rwx "), "{command:?}: {ended:?}");
        }
        // The group may.
        chmod(key, 0o640);
    }
    casectl.expect(0, &["whoami"]);
    casectl.expect(0, &["submit", "one.json"]);
}
