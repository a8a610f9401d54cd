//! The keys and cases that seeds are made with. All are fixed, so that the same seeds come out on every machine.

use casebroker_proto::{
    json,
    statement::{Signer, SignerCertificate},
    tlog::NoteSigner,
    v1::{CaseReport, Report, Retraction, Statement, statement::Kind},
};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
    date_time_ymd,
};

/// Origin of the log in seeds.
pub(crate) const ORIGIN: &str = "log.example/cases";

/// An Ed25519 private key in PKCS#8, version 1 (RFC 8410, section 7), up to the 32 bytes of the key.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// An agency's signing key with its certificate. Ed25519 signs without randomness, so whatever verifies can be made again.
#[derive(Debug)]
pub(crate) struct Agency {
    pub(crate) signer: Signer,
    pub(crate) certificate: SignerCertificate,
}

impl Agency {
    pub(crate) fn new() -> Self {
        let pkcs8 = [&PKCS8_PREFIX[..], &[7; 32]].concat();
        let key = KeyPair::try_from(pkcs8.as_slice()).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "for fuzzing");
        params.serial_number = Some(SerialNumber::from(7));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2100, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let id = "spiffe://casebroker.example/agency/us-dea/signer/2026a";
        params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            signer: Signer::new(&pkcs8, &der).unwrap(),
            certificate: SignerCertificate::from_der(&der).unwrap(),
        }
    }
}

/// The log's key.
pub(crate) fn log_key() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN, &[9; 32]).unwrap()
}

/// The public cases of the demonstration.
pub(crate) fn reports() -> Vec<CaseReport> {
    include_str!("../../../server/src/demo/data/public_cases.jsonl")
        .lines()
        .map(|line| json::from_str("casebroker.v1.CaseReport", line).unwrap())
        .collect()
}

/// A report of that case, and a retraction of it.
pub(crate) fn statements(report: &CaseReport) -> [Statement; 2] {
    let statement = |kind, handling| Statement {
        case: report.name.clone(),
        request_id: "2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c11".into(),
        make_time: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        }),
        handling,
        kind: Some(kind),
    };
    let reason = "Reported twice".to_owned();
    [
        statement(
            Kind::Report(Report {
                report: Some(report.clone()),
            }),
            None,
        ),
        statement(
            Kind::Retraction(Retraction { reason }),
            report.handling.clone(),
        ),
    ]
}
