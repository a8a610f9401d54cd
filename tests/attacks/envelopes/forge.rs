//! Envelopes byte by byte: the parts of CBOR and COSE that they take.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use casebroker_proto::statement::{CONTENT_TYPE, thumbprint};
use casebroker_tests::{DEA, cases};
use prost::Message as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// What is needed to make any envelope.
pub(super) struct Forge {
    pub(super) key: EcdsaKeyPair,
    pub(super) edwards_key: Ed25519KeyPair,
    pub(super) pkcs8: Vec<u8>,
    pub(super) own: [u8; 32],
    pub(super) foreign: [u8; 32],
    pub(super) p384: [u8; 32],
    pub(super) edwards: [u8; 32],
}

pub(super) fn pkcs8(pem: &str) -> Vec<u8> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .secret_der()
        .to_vec()
}

pub(super) fn key_of(pem: &str) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8(pem)).unwrap()
}

pub(super) fn print_of(pem: &str) -> [u8; 32] {
    thumbprint(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
}

/// Head of a CBOR item with the shortest length (RFC 8949, section 3).
pub(super) fn head(major: u8, length: usize) -> Vec<u8> {
    let major = major << 5;
    match length {
        0..24 => vec![major | length as u8],
        24..256 => vec![major | 24, length as u8],
        256..65_536 => [&[major | 25][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[major | 26][..], &(length as u32).to_be_bytes()].concat(),
    }
}

pub(super) fn bytes(content: &[u8]) -> Vec<u8> {
    [&head(2, content.len())[..], content].concat()
}

pub(super) fn text(content: &str) -> Vec<u8> {
    [&head(3, content.len())[..], content.as_bytes()].concat()
}

pub(super) const ES256: &[u8] = &[0x26];

/// `[-16, print]`: SHA-256.
pub(super) fn x5t(print: &[u8]) -> Vec<u8> {
    [&[0x82, 0x2f][..], &bytes(print)].concat()
}

/// A header map of these entries, each already encoded.
pub(super) fn map(entries: &[Vec<u8>]) -> Vec<u8> {
    [&head(5, entries.len())[..], &entries.concat()].concat()
}

pub(super) fn alg(value: &[u8]) -> Vec<u8> {
    [&[0x01][..], value].concat()
}

pub(super) fn content_type() -> Vec<u8> {
    [&[0x03][..], &text(CONTENT_TYPE)].concat()
}

pub(super) fn print(value: &[u8]) -> Vec<u8> {
    [&[0x18, 34][..], value].concat()
}

/// An envelope of these parts; the header map inside its byte string.
pub(super) fn seal(
    protected: &[u8],
    unprotected: &[u8],
    payload: &[u8],
    signature: &[u8],
) -> Vec<u8> {
    [
        &[0xd2, 0x84][..],
        &bytes(protected),
        unprotected,
        &bytes(payload),
        &bytes(signature),
    ]
    .concat()
}

/// What is signed (RFC 9052, section 4.4).
pub(super) fn to_be_signed(context: &str, protected: &[u8], aad: &[u8], payload: &[u8]) -> Vec<u8> {
    [
        &[0x84][..],
        &text(context),
        &bytes(protected),
        &bytes(aad),
        &bytes(payload),
    ]
    .concat()
}

impl Forge {
    /// A new statement, serialized.
    pub(super) fn payload(&self) -> Vec<u8> {
        cases::reporting_as(DEA, &format!("e{}", uuid::Uuid::new_v4().simple())).encode_to_vec()
    }

    /// The right protected header.
    pub(super) fn protected(&self) -> Vec<u8> {
        map(&[alg(ES256), content_type(), print(&x5t(&self.own))])
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key
            .sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    }

    /// Signed in order, whatever the protected header says.
    pub(super) fn under(&self, protected: &[u8]) -> Vec<u8> {
        let payload = self.payload();
        let signature = self.sign(&to_be_signed("Signature1", protected, &[], &payload));
        seal(protected, &[0xa0], &payload, &signature)
    }

    /// The right envelope's parts: protected header, payload, signature.
    pub(super) fn parts(&self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let (protected, payload) = (self.protected(), self.payload());
        let signature = self.sign(&to_be_signed("Signature1", &protected, &[], &payload));
        (protected, payload, signature)
    }

    /// The right parts, with another signature made of the right one.
    pub(super) fn resigned(&self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        let (protected, payload, signature) = self.parts();
        seal(&protected, &[0xa0], &payload, &change(signature))
    }
}
