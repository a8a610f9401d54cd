//! Clients that no TLS library would be: one whose key is not that of its certificate, and one with RSA-1024, which the
//! cryptographic provider here would not sign with.

use std::sync::Arc;

use casebroker_tests::{
    pki::Identity,
    tls::{Client, PREFACE, connect_with},
};
use num_bigint::BigUint;
use rcgen::SubjectPublicKeyInfo;
use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    client::ResolvesClientCert,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::{CertifiedKey, Signer, SigningKey},
    version::TLS13,
};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::arena::Arena;

/// A key of this test's own, good for nothing.
const MODULUS: &[u8] = b"bd540868b09c5b14aa4c4e23621ceb852a1fcbd4ff39ec46385e320f1adb081a\
    7574f8a6ff1b841619725b735f37ebd2945162943e865f0874bd10a27dac3e55\
    babfbcdf7b6d7d1d8355d32fb0c307f22e4f7e00ce8e8b388c8b18f78515bab8\
    2dc4f391f04e5ce17f5f3142936845b0c4fcfcc418b4e6b30171e71400618b3b";
const EXPONENT: &[u8] = b"a2de79656618fb99696ebf015d53b7a014bec9a06ff72a34b62502375049004d\
    92a18f8e4983283bc2a447db961c0b3859f331348a1d19ffb23d3ae42dec50a9\
    fe002dbb5db4a721aabdbd9a43bc617a2ad1b743f9864cf1e984af634c65ae85\
    a8803a4a1e21faffe4da6cbb9eec2292b492fed30777bbf86eee0f684a272361";

/// The public key of RSA-1024.
pub fn rsa_1024_public() -> SubjectPublicKeyInfo {
    let modulus = [&[0][..], &number(MODULUS).to_bytes_be()].concat();
    // SubjectPublicKeyInfo of rsaEncryption (RFC 8017, appendix A.1.1) around modulus and 65537.
    let key = der(0x30, &[der(2, &modulus), vec![2, 3, 1, 0, 1]].concat());
    let algorithm = [
        0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0,
    ];
    let bits = der(3, &[&[0][..], &key].concat());
    SubjectPublicKeyInfo::from_der(&der(0x30, &[&algorithm[..], &bits].concat())).unwrap()
}

/// A DER element of 128 to 65,535 bytes or fewer than 128.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u16;
    let head = match length {
        0..128 => vec![tag, length as u8],
        128..256 => vec![tag, 0x81, length as u8],
        _ => [&[tag, 0x82][..], &length.to_be_bytes()].concat(),
    };
    [&head[..], content].concat()
}

fn number(hex: &[u8]) -> BigUint {
    BigUint::parse_bytes(hex, 16).unwrap()
}

/// Comes with a certificate of RSA-1024 and signs as that key would.
pub async fn come_with_rsa_1024(
    arena: &Arena,
    certificate: &CertificateDer<'static>,
) -> Result<(), String> {
    come(
        arena,
        CertifiedKey::new(vec![certificate.clone()], Arc::new(Rsa)),
    )
    .await
}

/// Comes with a certificate that is not looked at, and a key that may be another's.
pub async fn come_unchecked(arena: &Arena, stolen: &Identity) -> Result<(), String> {
    let certificate = CertificateDer::from_pem_slice(stolen.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(stolen.key.as_bytes()).unwrap();
    come(
        arena,
        CertifiedKey::new(vec![certificate], any_supported_type(&key).unwrap()),
    )
    .await
}

async fn come(arena: &Arena, with: CertifiedKey) -> Result<(), String> {
    let client = Client {
        anchor: arena.broker.anchor(),
        identity: None,
        versions: &[&TLS13],
    };
    let mut config = client.config(rustls::crypto::aws_lc_rs::default_provider());
    config.client_auth_cert_resolver = Arc::new(Always(Arc::new(with)));
    let answer = async {
        let mut stream = connect_with(config, arena.broker.address).await?;
        stream.write_all(PREFACE).await?;
        stream.read_exact(&mut [0; 9]).await
    };
    answer.await.map(drop).map_err(|e| e.to_string())
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Rsa;

impl SigningKey for Rsa {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let offered = offered.contains(&SignatureScheme::RSA_PSS_SHA256);
        offered.then(|| Box::new(Rsa) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl Signer for Rsa {
    /// RSASSA-PSS with SHA-256 and a salt of 32 zeros (RFC 8017, sections 8.1.1 and 9.1.1).
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let salt = [0; 32];
        let hash = Sha256::digest([&[0; 8][..], &Sha256::digest(message), &salt].concat());
        let mut block = [&[0; 128 - 66][..], &[1], &salt].concat();
        let mask = (0..3_u32).flat_map(|n| Sha256::digest([&hash[..], &n.to_be_bytes()].concat()));
        block
            .iter_mut()
            .zip(mask)
            .for_each(|(byte, mask)| *byte ^= mask);
        block[0] &= 0x7f;
        let encoded = BigUint::from_bytes_be(&[&block[..], &hash, &[0xbc]].concat());
        let (modulus, exponent) = (number(MODULUS), number(EXPONENT));
        let signature = encoded.modpow(&exponent, &modulus);
        assert_eq!(
            signature.modpow(&65_537_u32.into(), &modulus),
            encoded,
            "the key is whole"
        );
        let bytes = signature.to_bytes_be();
        Ok([vec![0; 128 - bytes.len()], bytes].concat())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::RSA_PSS_SHA256
    }
}
