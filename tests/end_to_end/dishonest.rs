//! A log that a dishonest broker wrote: signed with its key, every proof right, and entries that no broker records. `casectl verify`
//! refuses each, and says why.

use casebroker_client::ProofFile;
use casebroker_proto::{
    statement::Signer,
    tlog::{Checkpoint, NoteSigner, Receipt, leaf_hash},
    v1::{Entry, RegistryChange, RegistryUpdate, Statement, statement::Kind},
};
use casebroker_tests::{
    Broker, CBP, DEA, Site,
    casectl::Casectl,
    cases,
    pki::{Wish, spiffe},
};
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _};

const ORIGIN: &str = "dishonest.example/log";

struct Stage {
    casectl: Casectl,
    key: NoteSigner,
    _broker: Broker,
    site: Site,
}

impl Stage {
    fn new() -> Self {
        let site = Site::new();
        let broker = site.start();
        Self {
            casectl: Casectl::new(&site, &broker, DEA, "officer"),
            key: NoteSigner::generate(ORIGIN).unwrap(),
            _broker: broker,
            site,
        }
    }

    /// What a broker would record of a report by us-dea.
    fn good(&self) -> Entry {
        self.entry(&self.site.signer(DEA), &cases::reporting_as(DEA, "x-1"))
    }

    fn entry(&self, signer: &Signer, statement: &Statement) -> Entry {
        Entry {
            record_time: Some(std::time::SystemTime::now().into()),
            principal: spiffe(DEA, "system", "feed"),
            salt: vec![5; 16].into(),
            signed_statement: signer.sign(statement).unwrap().into(),
            registry_update: None,
        }
    }

    /// Writes the only entry of a log as a receipt, and verifies it.
    fn verify(&self, entry: &[u8]) -> casebroker_tests::casectl::Ended {
        let checkpoint = Checkpoint::new(ORIGIN, 1, leaf_hash(entry));
        let receipt = Receipt {
            index: 0,
            extra: None,
            proof: Vec::new(),
            checkpoint: checkpoint.sign(&self.key).unwrap(),
        };
        let file = ProofFile::new(&receipt.to_string(), entry).unwrap();
        self.casectl.write("entry.tlog-proof", &file.to_string());
        let key = self.key.verifier().to_string();
        self.casectl
            .run(&["verify", "entry.tlog-proof", "--log-key", &key])
    }

    fn refused(&self, name: &str, entry: &Entry, why: &str) {
        let ended = self.verify(&entry.encode_to_vec());
        assert_eq!(ended.code, Some(7), "{name}: {ended:#?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains(why), "{name}: {ended:#?}");
    }
}

#[test]
fn an_entry_that_no_broker_records_does_not_verify_however_right_its_proof_is() {
    let stage = Stage::new();
    let good = stage.good();
    let ended = stage.verify(&good.encode_to_vec());
    assert_eq!(ended.code, Some(0), "{ended:#?}");

    // The worst: another agency signs and submits in us-dea's name.
    let cbp = stage.site.signer(CBP);
    let report = cases::reporting_as(DEA, "x-1");
    let by_other = Entry {
        principal: spiffe(CBP, "system", "feed"),
        ..stage.entry(&cbp, &report)
    };
    stage.refused("us-dea's report by us-cbp", &by_other, "owner");
    let signed_by_other = stage.entry(&cbp, &report);
    stage.refused("signed by us-cbp", &signed_by_other, "us-cbp");

    let with = |change: &dyn Fn(&mut Entry)| {
        let mut entry = good.clone();
        change(&mut entry);
        entry
    };
    let principal = |text: &str| with(&|e| e.principal = text.to_owned());
    let elsewhere = good
        .principal
        .replace("casebroker.example", "other.example");
    stage.refused(
        "principal of another domain",
        &principal(&elsewhere),
        "trust domain",
    );
    for role in ["auditor", "operator"] {
        stage.refused(role, &principal(&spiffe(DEA, role, "a")), "role");
    }
    stage.refused("no principal", &principal(""), "principal");
    stage.refused("no salt", &with(&|e| e.salt.clear()), "salt");
    let short = with(&|e| e.salt = vec![5; 8].into());
    stage.refused("salt of 8 bytes", &short, "salt");
    let time = with(&|e| e.record_time.as_mut().unwrap().nanos = 2_000_000_000);
    stage.refused("record time", &time, "record time");

    let said = |change: &dyn Fn(&mut Statement)| {
        let mut statement = report.clone();
        change(&mut statement);
        stage.entry(&stage.site.signer(DEA), &statement)
    };
    stage.refused("no kind", &said(&|s| s.kind = None), "kind");
    let other_case = said(&|s| {
        *s = cases::reporting_as(CBP, "x-1");
    });
    stage.refused("another agency's case", &other_case, "owner");
    let two_names = said(&|s| {
        if let Some(Kind::Report(report)) = &mut s.kind {
            report.report.as_mut().unwrap().name = cases::name(DEA, "x-2");
        }
    });
    stage.refused("two names", &two_names, "x-2");

    let update = Entry {
        signed_statement: Default::default(),
        registry_update: Some(RegistryUpdate {
            changes: vec![RegistryChange::default()],
        }),
        ..good.clone()
    };
    stage.refused("registry update with a principal", &update, "principal");

    let bytes = good.encode_to_vec();
    for tail in [&[0xf8, 0x3f, 1][..], &[0x1a, 1, 0]] {
        let ended = stage.verify(&[&bytes[..], tail].concat());
        assert_eq!(ended.code, Some(7), "{tail:?}: {ended:#?}");
    }
}

#[test]
fn a_signer_of_another_trust_domain_is_not_believed() {
    let stage = Stage::new();
    let uri = "spiffe://other.example/agency/us-dea/signer/odd";
    let identity = stage.site.authority(DEA).issue(&Wish {
        uris: vec![uri.to_owned()],
        years: (2020, 2100),
        until: None,
        usages: vec![],
    });
    let key = PrivatePkcs8KeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let signer = Signer::new(key.secret_pkcs8_der(), &certificate).unwrap();
    stage
        .site
        .register_signer(DEA, "odd", &identity.certificate);
    let entry = Entry {
        principal: "spiffe://other.example/agency/us-dea/system/feed".into(),
        ..stage.entry(&signer, &cases::reporting_as(DEA, "x-1"))
    };
    stage.refused("signer of another domain", &entry, "trust domain");
}

#[test]
fn every_byte_around_the_envelope_is_checked() {
    let stage = Stage::new();
    let good = stage.good();
    let bytes = good.encode_to_vec();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let envelope = bytes
        .windows(good.signed_statement.len())
        .position(|window| window == good.signed_statement)
        .unwrap();
    let mut changed = 0;
    while changed < 60 {
        let at = rng.random_range(0..bytes.len());
        if (envelope..envelope + good.signed_statement.len()).contains(&at) {
            continue;
        }
        let mut other = bytes.clone();
        match rng.random_range(0..3) {
            0 => other[at] ^= 1 << rng.random_range(0..8),
            1 => other.insert(at, rng.random()),
            _ => drop(other.remove(at)),
        }
        // Another time, salt or name of the submitting system is another entry that a broker might have recorded.
        let another = Entry::decode(&other[..]).is_ok_and(|read| {
            let exists = read
                .record_time
                .is_some_and(|t| (0..1_000_000_000).contains(&t.nanos));
            read.encode_to_vec() == other
                && read.signed_statement == good.signed_statement
                && read.salt.len() == 16
                && exists
                && read
                    .principal
                    .parse::<casebroker_proto::names::PrincipalId>()
                    .is_ok()
        });
        if other == bytes || another {
            continue;
        }
        changed += 1;
        let ended = stage.verify(&other);
        assert_eq!(ended.code, Some(7), "seed {seed}, {other:?}: {ended:#?}");
    }
}

#[test]
fn what_stands_beside_a_receipt_must_be_what_its_entry_says() {
    let stage = Stage::new();
    let casectl = &stage.casectl;
    let report = serde_json::to_string(
        &casebroker_proto::json::to_value(
            "casebroker.v1.Statement",
            &cases::reporting_as(DEA, "beside"),
        )
        .unwrap(),
    )
    .unwrap();
    casectl.write("one.json", &report);
    casectl.expect(0, &["submit", "one.json"]);
    let text = std::fs::read_to_string(casectl.path("one.json.receipts.jsonl")).unwrap();
    casectl.expect(0, &["verify", "one.json.receipts.jsonl"]);
    let line = |key: &str| {
        let at = text.find(&format!("\"{key}\":\"")).unwrap() + key.len() + 4;
        let end = at + text[at..].find('"').unwrap();
        (at, end)
    };
    for (key, value) in [
        ("recordTime", "2001-01-01T00:00:00Z"),
        ("requestId", "00000000-0000-4000-8000-000000000000"),
        ("case", "agencies/us-dea/cases/other"),
        ("position", "77"),
        ("log", "other.example/log+12345678+AQAA"),
        ("form", "casectl-receipts/9"),
    ] {
        let (at, end) = line(key);
        let changed = format!("{}{value}{}", &text[..at], &text[end..]);
        casectl.write("changed.jsonl", &changed);
        let ended = casectl.run(&["verify", "changed.jsonl"]);
        assert_eq!(ended.code, Some(7), "{key}: {ended:#?}");
    }
    let corrupt = text.replacen("\"run\":", "\"ran\":", 1);
    casectl.write("corrupt.jsonl", &corrupt);
    let ended = casectl.run(&["verify", "corrupt.jsonl"]);
    assert_eq!(ended.code, Some(7), "{ended:#?}");
}

#[test]
fn a_signed_checkpoint_of_the_same_size_with_another_root_is_a_fork() {
    let stage = Stage::new();
    let casectl = &stage.casectl;
    let honest = casectl.expect(0, &["log", "checkpoint"]).stdout;
    let size = honest.lines().nth(1).unwrap().parse().unwrap();
    let seed = std::fs::read_to_string(stage.site.path().join("pki/log.key")).unwrap();
    let key = NoteSigner::from_private_key_text(seed.trim()).unwrap();
    let forked = Checkpoint::new(key.name(), size, leaf_hash(b"another tree"));
    casectl.write("forked.checkpoint", &forked.sign(&key).unwrap());
    let ended = casectl.run(&["log", "consistency", "forked.checkpoint"]);
    assert_eq!(ended.code, Some(7), "{ended:#?}");
    assert!(ended.stderr.contains("forked"), "{ended:#?}");
}
