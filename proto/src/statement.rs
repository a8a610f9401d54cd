//! Signed statements: a `Statement` in a COSE_Sign1 envelope (RFC 9052, section 4.2).
//!
//! An envelope has one form only: CBOR tag 18; a protected header of exactly `alg` (ES256, ES384 or EdDSA), `content type`
//! ([`CONTENT_TYPE`]) and `x5t` (RFC 9360, SHA-256 of the signing certificate); an empty unprotected header; the serialized
//! statement as payload. Anything else is refused, so no header can change what a signature means. The payload is verified
//! and decoded as the bytes received.

use std::fmt;

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey,
    },
};
use coset::{
    CborSerializable as _, ContentType, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label,
    RegisteredLabelWithPrivate, TaggedCborSerializable as _, cbor::value::Value, iana,
};
use prost::Message as _;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::{
    envelope::check_form,
    names::SignerId,
    v1::{Entry, RegistryUpdate, Statement},
    weight::check_messages,
    wire,
};

/// Content type in the protected header.
pub const CONTENT_TYPE: &str = "application/protobuf; proto=casebroker.v1.Statement";

/// SHA-256 of a DER certificate, as `x5t` carries it.
pub type Thumbprint = [u8; 32];

/// COSE header label of `x5t` (RFC 9360, table 1).
const X5T: i64 = 34;
/// COSE algorithm identifier of SHA-256 (RFC 9054, table 1).
const SHA_256: i64 = -16;

/// Why an envelope, key or certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not a COSE_Sign1 in the one form allowed.
    #[error("the envelope is not in the form required: {0}")]
    Envelope(&'static str),
    /// The certificate given is not the one named by x5t, or has another algorithm than the header says.
    #[error("the signing certificate does not fit the envelope: {0}")]
    Mismatch(&'static str),
    /// The signature does not verify.
    #[error("the signature does not verify under the signing certificate")]
    Signature,
    /// The payload is not a serialized Statement.
    #[error("the payload is not a casebroker.v1.Statement: {0}")]
    Payload(String),
    /// The entry holds no statement.
    #[error("the entry holds a change of the registry, not a statement")]
    NoStatement,
    /// The signing certificate cannot be used.
    #[error("the signing certificate cannot be used: {0}")]
    Certificate(String),
    /// The private key cannot be used.
    #[error("the signing key cannot be used: {0}")]
    Key(String),
}

/// Signature algorithm of an envelope (RFC 9053, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    fn iana(self) -> iana::Algorithm {
        match self {
            Self::Es256 => iana::Algorithm::ES256,
            Self::Es384 => iana::Algorithm::ES384,
            Self::EdDsa => iana::Algorithm::EdDSA,
        }
    }
}

/// An agency's signing key with its certificate. Its `Debug` form shows no secret.
pub struct Signer {
    key: SignerKey,
    thumbprint: Thumbprint,
}

enum SignerKey {
    Ecdsa(EcdsaKeyPair, Algorithm),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x5t: String = self.thumbprint.iter().map(|b| format!("{b:02x}")).collect();
        f.debug_struct("Signer")
            .field("x5t", &x5t)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// From a PKCS#8 private key (RFC 5208, DER) and its certificate (X.509, DER).
    pub fn new(pkcs8: &[u8], certificate: &[u8]) -> Result<Self, StatementError> {
        let certificate = SignerCertificate::from_der(certificate)?;
        let refused = |e: aws_lc_rs::error::KeyRejected| StatementError::Key(e.to_string());
        let key = match certificate.algorithm {
            Algorithm::Es256 => SignerKey::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                    .map_err(refused)?,
                Algorithm::Es256,
            ),
            Algorithm::Es384 => SignerKey::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8)
                    .map_err(refused)?,
                Algorithm::Es384,
            ),
            Algorithm::EdDsa => {
                SignerKey::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(refused)?)
            }
        };
        let signer = Self {
            key,
            thumbprint: certificate.thumbprint,
        };
        // A key that does not belong to the certificate would be found only by the broker, and by then too late.
        let probe = signer.signature(CONTENT_TYPE.as_bytes())?;
        certificate
            .verify(CONTENT_TYPE.as_bytes(), &probe)
            .map_err(|_| StatementError::Key("it does not belong to the certificate".into()))?;
        Ok(signer)
    }

    /// Signs a statement. The answer is the envelope as `SubmitRequest.signed_statement` carries it.
    pub fn sign(&self, statement: &Statement) -> Result<Vec<u8>, StatementError> {
        self.sign_payload(statement.encode_to_vec())
    }

    /// Signs the serialized statement given.
    pub fn sign_payload(&self, payload: Vec<u8>) -> Result<Vec<u8>, StatementError> {
        let algorithm = match &self.key {
            SignerKey::Ecdsa(_, algorithm) => *algorithm,
            SignerKey::Ed25519(_) => Algorithm::EdDsa,
        };
        let x5t = vec![
            Value::Integer(SHA_256.into()),
            Value::Bytes(self.thumbprint.to_vec()),
        ];
        let protected = HeaderBuilder::new()
            .algorithm(algorithm.iana())
            .content_type(CONTENT_TYPE.into())
            .value(X5T, Value::Array(x5t))
            .build();
        CoseSign1Builder::new()
            .protected(protected)
            .payload(payload)
            .try_create_signature(&[], |tbs| self.signature(tbs))?
            .build()
            .to_tagged_vec()
            .map_err(|_| StatementError::Envelope("it could not be encoded"))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, StatementError> {
        match &self.key {
            SignerKey::Ecdsa(key, _) => key
                .sign(&SystemRandom::new(), message)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| StatementError::Key("signing failed".into())),
            SignerKey::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

/// A signing certificate: an ordinary certificate whose one URI name is a [`SignerId`].
pub struct SignerCertificate {
    /// SHA-256 of the DER form.
    pub thumbprint: Thumbprint,
    /// Whom it signs for.
    pub id: SignerId,
    /// Algorithm of its key.
    pub algorithm: Algorithm,
    /// Begin of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch, inclusive.
    pub not_after: i64,
    /// X.509 DER.
    pub der: Vec<u8>,
    key: ParsedPublicKey,
}

impl fmt::Debug for SignerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerCertificate")
            .field("id", &self.id.to_string())
            .finish_non_exhaustive()
    }
}

impl SignerCertificate {
    /// Reads a certificate. Its chain is not checked here: that takes the agency's anchor.
    pub fn from_der(der: &[u8]) -> Result<Self, StatementError> {
        let bad = |why: &str| StatementError::Certificate(why.into());
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|e| bad(&e.to_string()))?;
        if !rest.is_empty() {
            return Err(bad("bytes follow the certificate"));
        }
        let id = single_uri(&certificate)?
            .parse()
            .map_err(|e: crate::names::NameError| bad(&e.to_string()))?;
        let spki = certificate.public_key();
        let point = spki.subject_public_key.data.as_ref();
        let curve = spki
            .algorithm
            .parameters
            .as_ref()
            .and_then(|p| p.as_oid().ok())
            .map(|oid| oid.to_id_string());
        let (algorithm, verification): (
            _,
            &'static dyn aws_lc_rs::signature::VerificationAlgorithm,
        ) = match (
            spki.algorithm.algorithm.to_id_string().as_str(),
            curve.as_deref(),
        ) {
            ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => {
                (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED)
            }
            ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => {
                (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED)
            }
            ("1.3.101.112", None) => (Algorithm::EdDsa, &ED25519),
            _ => return Err(bad("its key is none of P-256, P-384 and Ed25519")),
        };
        let key = ParsedPublicKey::new(verification, point).map_err(|e| bad(&e.to_string()))?;
        Ok(Self {
            thumbprint: thumbprint(der),
            id,
            algorithm,
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            der: der.to_vec(),
            key,
        })
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), StatementError> {
        self.key
            .verify_sig(message, signature)
            .map_err(|_| StatementError::Signature)
    }
}

/// SHA-256 of a DER certificate.
pub fn thumbprint(der: &[u8]) -> Thumbprint {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    out
}

/// The one URI among a certificate's subject alternative names; SPIFFE X509-SVID, section 2, allows exactly one.
pub fn single_uri<'a>(certificate: &'a X509Certificate<'a>) -> Result<&'a str, StatementError> {
    let bad = |why: &str| StatementError::Certificate(why.into());
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| bad("it has more than one subject alternative name extension"))?
        .ok_or_else(|| bad("it has no subject alternative name"))?;
    let mut uris = names.value.general_names.iter().filter_map(|n| match n {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => Ok(uri),
        (None, _) => Err(bad("it names no SPIFFE ID")),
        _ => Err(bad("it names more than one URI")),
    }
}

/// An envelope in the right form whose signature has not been checked yet.
#[derive(Debug)]
pub struct Envelope {
    sign1: CoseSign1,
    algorithm: Algorithm,
    thumbprint: Thumbprint,
}

impl Envelope {
    /// Parses the bytes of an envelope.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let bad = StatementError::Envelope;
        check_form(bytes).map_err(bad)?;
        let sign1 = CoseSign1::from_tagged_slice(bytes)
            .map_err(|_| bad("not a COSE_Sign1 with CBOR tag 18"))?;
        if sign1.unprotected != Header::default() {
            return Err(bad("the unprotected header must be empty"));
        }
        if sign1.payload.is_none() {
            return Err(bad("the payload must be in the envelope"));
        }
        let header = &sign1.protected.header;
        let algorithm = match header.alg {
            Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) => Algorithm::Es256,
            Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES384)) => Algorithm::Es384,
            Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA)) => Algorithm::EdDsa,
            _ => return Err(bad("alg must be ES256, ES384 or EdDSA")),
        };
        match &header.content_type {
            Some(ContentType::Text(text)) if text == CONTENT_TYPE => {}
            _ => return Err(bad("the content type must be that of a Statement")),
        }
        let thumbprint = match header.rest.as_slice() {
            [(Label::Int(X5T), Value::Array(pair))] => match pair.as_slice() {
                [Value::Integer(hash), Value::Bytes(value)]
                    if i128::from(*hash) == i128::from(SHA_256) =>
                {
                    Thumbprint::try_from(value.as_slice()).ok()
                }
                _ => None,
            },
            _ => None,
        }
        .ok_or(bad(
            "the protected header must have x5t with SHA-256, and nothing else",
        ))?;
        let only_these = header.crit.is_empty()
            && header.key_id.is_empty()
            && header.iv.is_empty()
            && header.partial_iv.is_empty()
            && header.counter_signatures.is_empty();
        if !only_these {
            return Err(bad(
                "the protected header must have alg, content type and x5t only",
            ));
        }
        // One statement, one encoding: longer forms of the same CBOR would be other bytes with the same meaning.
        let envelope = Self {
            sign1,
            algorithm,
            thumbprint,
        };
        if !envelope.is_canonical(bytes) {
            return Err(bad("the CBOR encoding is not the shortest"));
        }
        Ok(envelope)
    }

    /// Thumbprint of the certificate that is said to have signed.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// The serialized statement, not verified.
    pub fn payload(&self) -> &[u8] {
        self.sign1.payload.as_deref().unwrap_or_default()
    }

    /// The same, by value.
    pub fn into_payload(self) -> Vec<u8> {
        self.sign1.payload.unwrap_or_default()
    }

    /// Checks the signature under the certificate and decodes the statement.
    pub fn verify(&self, certificate: &SignerCertificate) -> Result<Statement, StatementError> {
        if certificate.thumbprint != self.thumbprint {
            return Err(StatementError::Mismatch("it is not the one that x5t names"));
        }
        if certificate.algorithm != self.algorithm {
            return Err(StatementError::Mismatch(
                "its key is for another algorithm than alg",
            ));
        }
        self.sign1
            .verify_signature(&[], |signature, tbs| certificate.verify(tbs, signature))?;
        self.decode()
    }

    /// Decodes the statement without checking the signature: for entries that the journal holds already.
    pub fn decode(&self) -> Result<Statement, StatementError> {
        decode(self.payload())
    }

    /// Refuses what this version of the contract would not show of the statement: a field that it does not know, or one given
    /// twice. What is signed and what is read must be the same. Any encoding of known fields is accepted: see [`wire`].
    pub fn check_complete(&self) -> Result<(), StatementError> {
        wire::check(wire::Root::Statement, self.payload())
            .map_err(|error| StatementError::Payload(error.to_string()))
    }

    fn is_canonical(&self, bytes: &[u8]) -> bool {
        // The protected header is encoded afresh from its parsed form, all else as parsed.
        let Ok(protected) = self.sign1.protected.header.clone().to_vec() else {
            return false;
        };
        if self.sign1.protected.original_data.as_ref() != Some(&protected) {
            return false;
        }
        let (payload, signature) = (self.payload(), &self.sign1.signature);
        let mut expected = Vec::with_capacity(bytes.len());
        expected.extend_from_slice(&[0xd2, 0x84]);
        push_bytes(&mut expected, &protected);
        expected.push(0xa0);
        push_bytes(&mut expected, payload);
        push_bytes(&mut expected, signature);
        expected == bytes
    }
}

/// What a recorded entry holds: one of the two.
#[derive(Debug)]
pub enum Content {
    /// What an agency said.
    Statement(Box<(Envelope, Statement)>),
    /// What the broker recorded of its registry.
    RegistryUpdate(Box<RegistryUpdate>),
}

/// Decodes a recorded entry's bytes, without checking signatures: for what the journal holds.
pub fn open_entry(bytes: &[u8]) -> Result<(Entry, Content), StatementError> {
    let mut entry = Entry::decode(bytes).map_err(|e| StatementError::Payload(e.to_string()))?;
    let content = match entry.registry_update.take() {
        Some(update) if entry.signed_statement.is_empty() => {
            Content::RegistryUpdate(Box::new(update))
        }
        Some(_) => return Err(StatementError::Envelope("the entry holds two things")),
        None => {
            let envelope = Envelope::parse(&entry.signed_statement)?;
            let statement = envelope.decode()?;
            Content::Statement(Box::new((envelope, statement)))
        }
    };
    Ok((entry, content))
}

/// The statement of an entry that the journal holds; `None` if it holds a change of the registry. Only the outer form of its envelope is
/// looked at, as whoever recorded it looked at the rest: for reading many.
pub fn read_recorded(bytes: &[u8]) -> Result<Option<(Entry, Statement)>, StatementError> {
    let mut entry = Entry::decode(bytes).map_err(undecodable)?;
    let envelope = std::mem::take(&mut entry.signed_statement);
    match payload_of(&entry, &envelope)? {
        Some(payload) => Ok(Some((entry, decode(payload)?))),
        None => Ok(None),
    }
}

/// What was signed of an entry whose envelope was taken out; `None` if it holds a change of the registry.
pub(crate) fn payload_of<'a>(
    entry: &Entry,
    envelope: &'a [u8],
) -> Result<Option<&'a [u8]>, StatementError> {
    match (&entry.registry_update, envelope.is_empty()) {
        (Some(_), true) => Ok(None),
        (Some(_), false) => Err(StatementError::Envelope("the entry holds two things")),
        (None, _) => check_form(envelope)
            .map(Some)
            .map_err(StatementError::Envelope),
    }
}

/// What does not follow its message's form.
pub(crate) fn undecodable(error: prost::DecodeError) -> StatementError {
    StatementError::Payload(error.to_string())
}

/// Decodes a recorded entry's bytes down to its statement, without checking signatures.
pub fn decode_entry(bytes: &[u8]) -> Result<(Entry, Envelope, Statement), StatementError> {
    match open_entry(bytes)? {
        (entry, Content::Statement(statement)) => {
            let (envelope, statement) = *statement;
            Ok((entry, envelope, statement))
        }
        (_, Content::RegistryUpdate(_)) => Err(StatementError::NoStatement),
    }
}

fn decode(payload: &[u8]) -> Result<Statement, StatementError> {
    check_messages(payload).map_err(StatementError::Payload)?;
    Statement::decode(payload).map_err(|e| StatementError::Payload(e.to_string()))
}

/// Appends a CBOR byte string in its shortest form (RFC 8949, section 3).
fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len() as u64;
    match length {
        0..=23 => out.push(0x40 | length as u8),
        24..=0xff => out.extend_from_slice(&[0x58, length as u8]),
        0x100..=0xffff => {
            out.push(0x59);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0x5a);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
        _ => {
            out.push(0x5b);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use coset::cbor;

    use super::*;
    use crate::{encoded::Recorded, v1::StatementRecord};

    fn pki(algorithm: &'static rcgen::SignatureAlgorithm) -> (Signer, SignerCertificate) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.subject_alt_names.push(rcgen::SanType::URI(
            "spiffe://casebroker.example/agency/us-dea/signer/2026a"
                .try_into()
                .unwrap(),
        ));
        let certificate = params.self_signed(&key).unwrap();
        let signer = Signer::new(key.serialized_der(), certificate.der()).unwrap();
        (
            signer,
            SignerCertificate::from_der(certificate.der()).unwrap(),
        )
    }

    #[test]
    fn a_payload_with_a_field_that_is_not_known_or_given_twice_is_not_complete() {
        let (signer, certificate) = pki(&rcgen::PKCS_ED25519);
        let check = |tail: &[u8]| {
            let payload = [statement().encode_to_vec(), tail.to_vec()].concat();
            let signed = signer.sign_payload(payload).unwrap();
            let envelope = Envelope::parse(&signed).unwrap();
            envelope.verify(&certificate).unwrap();
            envelope.check_complete()
        };
        assert!(check(&[]).is_ok());
        // Field 1023, varint 1.
        assert!(check(&[0xf8, 0x3f, 1]).is_err());
        // The case's name again.
        assert!(check(&[0x0a, 1, b'x']).is_err());
    }

    fn statement() -> Statement {
        Statement {
            case: "agencies/us-dea/cases/1".into(),
            ..Default::default()
        }
    }

    #[test]
    fn each_algorithm_signs_and_verifies() {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ED25519,
        ] {
            let (signer, certificate) = pki(algorithm);
            let bytes = signer.sign(&statement()).unwrap();
            let envelope = Envelope::parse(&bytes).unwrap();
            assert_eq!(envelope.verify(&certificate).unwrap(), statement());
        }
    }

    #[test]
    fn what_is_recorded_reads_the_same_with_and_without_its_envelope_and_undecoded() {
        let (signer, _) = pki(&rcgen::PKCS_ED25519);
        let of_entry = |bytes: Vec<u8>| Recorded::of_entry(7, &bytes.into());
        let entry = Entry {
            record_time: Some(prost_types::Timestamp {
                seconds: 5,
                nanos: 6,
            }),
            principal: "spiffe://casebroker.example/agency/us-dea/system/feed".into(),
            signed_statement: signer.sign(&statement()).unwrap().into(),
            ..Default::default()
        };
        let bytes = entry.encode_to_vec();
        let (opened, _, said) = decode_entry(&bytes).unwrap();
        let (read, also) = read_recorded(&bytes).unwrap().unwrap();
        assert_eq!((&said, &opened.principal), (&also, &read.principal));
        let recorded = of_entry(bytes).unwrap().unwrap();
        assert_eq!(recorded.case.to_string(), said.case);
        assert_eq!(Some(recorded.record_time), entry.record_time);
        let record = StatementRecord {
            position: 7,
            record_time: entry.record_time,
            principal: entry.principal.clone(),
            agency: "agencies/us-dea".into(),
            statement: Some(said),
        };
        assert_eq!(recorded.record, record.encode_to_vec());
        let update = Entry {
            registry_update: Some(RegistryUpdate::default()),
            signed_statement: Default::default(),
            ..entry.clone()
        };
        assert_eq!(read_recorded(&update.encode_to_vec()), Ok(None));
        assert_eq!(of_entry(update.encode_to_vec()), Ok(None));
        let both = Entry {
            registry_update: Some(RegistryUpdate::default()),
            ..entry
        };
        for wrong in [both, Entry::default()] {
            assert!(read_recorded(&wrong.encode_to_vec()).is_err());
            assert!(of_entry(wrong.encode_to_vec()).is_err());
        }
    }

    #[test]
    fn another_key_or_another_payload_does_not_verify() {
        let (signer, certificate) = pki(&rcgen::PKCS_ED25519);
        let (_, other) = pki(&rcgen::PKCS_ED25519);
        let bytes = signer.sign(&statement()).unwrap();
        let envelope = Envelope::parse(&bytes).unwrap();
        assert!(matches!(
            envelope.verify(&other),
            Err(StatementError::Mismatch(_))
        ));
        let mut forged = Envelope::parse(&bytes).unwrap();
        forged.sign1.payload.as_mut().unwrap()[3] ^= 1;
        assert_eq!(forged.verify(&certificate), Err(StatementError::Signature));
    }

    #[test]
    fn a_change_of_any_byte_is_refused() {
        let (signer, certificate) = pki(&rcgen::PKCS_ECDSA_P256_SHA256);
        let bytes = signer.sign(&statement()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let verdict = Envelope::parse(&changed).and_then(|e| e.verify(&certificate));
            assert!(verdict.is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_at_once() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let (_, certificate) = pki(&rcgen::PKCS_ED25519);
        assert!(matches!(
            Signer::new(key.serialized_der(), &certificate.der),
            Err(StatementError::Key(_))
        ));
    }

    #[test]
    fn headers_beyond_the_three_are_refused() {
        let (signer, _) = pki(&rcgen::PKCS_ED25519);
        let good = CoseSign1::from_tagged_slice(&signer.sign(&statement()).unwrap()).unwrap();
        let mut with_unprotected = good.clone();
        with_unprotected.unprotected.key_id = vec![1];
        let mut with_crit = good.clone();
        with_crit.protected.original_data = None;
        with_crit.protected.header.crit = vec![RegisteredLabelWithPrivate::Assigned(
            iana::HeaderParameter::Alg,
        )];
        let mut with_more = good.clone();
        with_more.protected.original_data = None;
        with_more
            .protected
            .header
            .rest
            .push((Label::Int(99), cbor::cbor!(1).unwrap()));
        let mut without_payload = good;
        without_payload.payload = None;
        for bad in [with_unprotected, with_crit, with_more, without_payload] {
            let bytes = bad.to_tagged_vec().unwrap();
            assert!(matches!(
                Envelope::parse(&bytes),
                Err(StatementError::Envelope(_))
            ));
        }
    }

    #[test]
    fn longer_forms_of_the_same_cbor_are_refused() {
        let (signer, _) = pki(&rcgen::PKCS_ED25519);
        let good = signer.sign(&statement()).unwrap();
        // The array of four with its length in a byte of its own.
        let mut longer = vec![good[0], 0x98, 0x04];
        longer.extend_from_slice(&good[2..]);
        assert!(Envelope::parse(&longer).is_err());
        let mut trailing = good;
        trailing.push(0);
        assert!(Envelope::parse(&trailing).is_err());
    }
}
