use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use casebroker_proto::{statement::SignerCertificate, tlog::NoteVerifier};
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem::PemObject as _,
    },
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::*;

fn args(dir: &Path) -> InitArgs {
    InitArgs {
        dir: dir.into(),
        agencies: vec!["us-cbp".into(), "cn-nncc".into()],
        trust_domain: "casebroker.example".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
    }
}

fn issue_args(dir: &Path, role: &str, name: &str) -> IssueArgs {
    IssueArgs {
        dir: dir.into(),
        agency: "us-cbp".into(),
        role: role.into(),
        name: name.into(),
        days: None,
        not_before_days: 0,
    }
}

fn der(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

fn verifier(layout: &Layout, agency: &str) -> Arc<dyn ClientCertVerifier> {
    let mut roots = RootCertStore::empty();
    roots
        .add(der(&layout.member(agency).join("anchor.pem")))
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap()
}

#[test]
fn a_principal_chains_to_its_own_agency_and_to_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let layout = create(&args(dir.path())).unwrap();
    let (certificate, key) = layout.agency_pair("us-cbp", "system-feed");
    let leaf = der(&certificate);
    PrivateKeyDer::from_pem_file(key).unwrap();
    let check = |agency| verifier(&layout, agency).verify_client_cert(&leaf, &[], UnixTime::now());
    check("us-cbp").unwrap();
    check("cn-nncc").unwrap_err();
}

#[test]
fn a_signing_certificate_is_registered_and_no_certificate_for_clients() {
    let dir = tempfile::tempdir().unwrap();
    let layout = create(&args(dir.path())).unwrap();
    let registered = der(&layout.registered_signer("us-cbp", FIRST_SIGNER));
    let signer = SignerCertificate::from_der(&registered).unwrap();
    assert_eq!(
        signer.id.to_string(),
        "spiffe://casebroker.example/agency/us-cbp/signer/2026a"
    );
    // Its purpose is not limited to clients, so what keeps it out is that its name is no principal.
    assert!(signer.id.to_string().parse::<PrincipalId>().is_err());
}

#[test]
fn keys_and_directories_are_for_their_owner_alone() {
    fn walk(dir: &Path, seen: &mut usize) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            if path.is_dir() {
                assert_eq!(mode, 0o700, "{}", path.display());
                walk(&path, seen);
            } else if path.extension().is_some_and(|e| e == "key") {
                assert_eq!(mode, 0o600, "{}", path.display());
                *seen += 1;
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    create(&args(dir.path())).unwrap();
    let mut keys = 0;
    walk(dir.path(), &mut keys);
    // Authority, four principals and a signer an agency; authority, listener and log of the broker.
    assert_eq!(keys, 2 * 6 + 3);
}

#[test]
fn nothing_is_ever_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let layout = create(&args(dir.path())).unwrap();
    let before = fs::read(layout.broker_file("log.key")).unwrap();
    let error = create(&args(dir.path())).unwrap_err().to_string();
    assert!(error.contains("nothing is overwritten"), "{error}");
    let again = issue_args(dir.path(), "system", "feed");
    let error = issue_certificate(&again).unwrap_err().to_string();
    assert!(error.contains("nothing is overwritten"), "{error}");
    assert_eq!(fs::read(layout.broker_file("log.key")).unwrap(), before);
}

#[test]
fn a_wrong_agency_or_role_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut bad = args(&dir.path().join("new"));
    bad.agencies.push("US CBP".into());
    create(&bad).unwrap_err();
    assert!(!dir.path().join("new/pki").exists());
    create(&args(dir.path())).unwrap();
    issue_certificate(&issue_args(dir.path(), "root", "a")).unwrap_err();
    let mut unknown = issue_args(dir.path(), "system", "a");
    unknown.agency = "us-xyz".into();
    issue_certificate(&unknown).unwrap_err();
}

#[test]
fn more_certificates_get_contexts_and_may_be_out_of_date() {
    let dir = tempfile::tempdir().unwrap();
    let layout = create(&args(dir.path())).unwrap();
    let issue = |name: &str| issue_certificate(&issue_args(dir.path(), "officer", name)).unwrap();
    assert_eq!(issue("night").context.as_deref(), Some("us-cbp-night"));
    let mut expired = issue_args(dir.path(), "officer", "gone");
    (expired.days, expired.not_before_days) = (Some(1), -3);
    let issued = issue_certificate(&expired).unwrap();
    verifier(&layout, "us-cbp")
        .verify_client_cert(&der(&issued.certificate), &[], UnixTime::now())
        .unwrap_err();
    let signer = issue_certificate(&issue_args(dir.path(), "signer", "2026b")).unwrap();
    assert_eq!(der(&signer.registered.unwrap()), der(&signer.certificate));
}

#[test]
fn the_configuration_names_files_that_exist_and_follows_the_address() {
    let dir = tempfile::tempdir().unwrap();
    let layout = create(&args(dir.path())).unwrap();
    set_address(&layout, "127.0.0.1:4321".parse().unwrap()).unwrap();
    let broker = config::read(&layout.broker_config()).unwrap();
    assert_eq!(broker["listen"].as_str(), Some("127.0.0.1:4321"));
    let vkey = fs::read_to_string(layout.broker_file("log.vkey")).unwrap();
    let casectl = config::read(&layout.casectl_config()).unwrap();
    let contexts = casectl["contexts"].as_table().unwrap();
    assert_eq!(contexts.len(), 8);
    for (name, context) in contexts {
        let context = context.as_table().unwrap();
        for (key, value) in context {
            let text = value.as_str().unwrap();
            match key {
                "endpoint" => assert_eq!(text, "https://127.0.0.1:4321"),
                "log_vkey" => assert_eq!(text, vkey.trim_end()),
                "state" => {}
                _ => assert!(dir.path().join(text).exists(), "{name}.{key}: {text}"),
            }
        }
    }
    let vkey: NoteVerifier = vkey.trim_end().parse().unwrap();
    assert_eq!(vkey.name(), broker["log"]["origin"].as_str().unwrap());
}

#[test]
fn revoking_lists_the_certificate_and_keeps_those_listed_before() {
    let dir = tempfile::tempdir().unwrap();
    let layout = create(&args(dir.path())).unwrap();
    let revoke = |role: Option<&str>, name: Option<&str>, serial: Option<&str>| {
        revoke_certificate(&RevokeArgs {
            dir: dir.path().into(),
            agency: "us-cbp".into(),
            role: role.map(Into::into),
            name: name.map(Into::into),
            serial: serial.map(Into::into),
        })
    };
    let one = revoke(Some("system"), Some("feed"), None).unwrap();
    assert_eq!((one.number, one.count), (1, 1));
    let two = revoke(None, None, Some("0a0b")).unwrap();
    assert_eq!((two.number, two.count, two.serial.as_str()), (2, 2, "0a0b"));
    // Again: the list is renewed, nothing is listed twice.
    let again = revoke(Some("system"), Some("feed"), None).unwrap();
    assert_eq!((again.number, again.count), (3, 2));
    assert_eq!(again.serial, one.serial);

    let list = CertificateRevocationListDer::from_pem_file(layout.member("us-cbp").join("crl.pem"));
    let mut roots = RootCertStore::empty();
    roots
        .add(der(&layout.member("us-cbp").join("anchor.pem")))
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls([list.unwrap()])
        .enforce_revocation_expiration()
        .build()
        .unwrap();
    let check = |stem: &str| {
        let leaf = der(&layout.agency_pair("us-cbp", stem).0);
        verifier.verify_client_cert(&leaf, &[], UnixTime::now())
    };
    let refused = check("system-feed").unwrap_err().to_string();
    assert!(refused.contains("Revoked"), "{refused}");
    check("officer-liaison").unwrap();

    assert!(revoke(Some("system"), Some("nobody"), None).is_err());
    assert!(revoke(None, None, Some("xyz")).is_err());
}
