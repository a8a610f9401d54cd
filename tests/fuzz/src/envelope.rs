//! Signed statements, recorded entries and signing certificates.

use std::sync::LazyLock;

use casebroker_proto::{
    names::SignerId,
    statement::{CONTENT_TYPE, Envelope, SignerCertificate, decode_entry, thumbprint},
    v1::Entry,
};
use prost::Message as _;

use crate::actors::{Agency, reports, statements};

static AGENCY: LazyLock<Agency> = LazyLock::new(Agency::new);

/// Takes the bytes for an envelope, for an entry and for a certificate.
pub fn run(data: &[u8]) -> bool {
    // Every check runs, whatever the one before it says.
    let accepted = [envelope(data), entry(data), certificate(data)];
    accepted.contains(&true)
}

fn envelope(data: &[u8]) -> bool {
    let Ok(envelope) = Envelope::parse(data) else {
        // A refused envelope is refused also where an entry carries it.
        assert!(decode_entry(&entry_of(data)).is_err());
        return false;
    };
    assert!(
        has_the_one_form(data, &envelope),
        "another encoding was accepted"
    );
    let payload = envelope.payload().to_vec();
    match envelope.verify(&AGENCY.certificate) {
        // Nobody but the holder of the key made this.
        Ok(statement) => {
            assert_eq!(AGENCY.signer.sign_payload(payload.clone()).unwrap(), data);
            assert_eq!(envelope.decode().unwrap(), statement);
        }
        Err(_) => {
            let own = envelope.thumbprint() == &AGENCY.certificate.thumbprint;
            let signed = AGENCY.signer.sign_payload(payload.clone()).unwrap();
            assert!(!own || signed != data || envelope.decode().is_err());
        }
    }
    let through_entry = decode_entry(&entry_of(data));
    assert_eq!(through_entry.is_ok(), envelope.decode().is_ok());
    if let Ok((entry, again, statement)) = through_entry {
        assert_eq!(entry.signed_statement, data);
        assert_eq!(again.into_payload(), payload);
        assert_eq!(statement, envelope.decode().unwrap());
    }
    true
}

/// Builds the envelope again by RFC 9052 and RFC 8949 alone: tag, array, three headers in their order, payload, signature.
fn has_the_one_form(data: &[u8], envelope: &Envelope) -> bool {
    [&[0x26][..], &[0x38, 0x22], &[0x27]]
        .into_iter()
        .any(|algorithm| {
            let mut protected = vec![0xa3, 0x01];
            protected.extend_from_slice(algorithm);
            protected.extend_from_slice(&[0x03, 0x78, CONTENT_TYPE.len() as u8]);
            protected.extend_from_slice(CONTENT_TYPE.as_bytes());
            protected.extend_from_slice(&[0x18, 0x22, 0x82, 0x2f, 0x58, 0x20]);
            protected.extend_from_slice(envelope.thumbprint());
            let mut expected = vec![0xd2, 0x84];
            expected.extend(byte_string(&protected));
            expected.push(0xa0);
            expected.extend(byte_string(envelope.payload()));
            let Some(signature) = data.strip_prefix(expected.as_slice()) else {
                return false;
            };
            // The signature is what is left; its head must be the shortest for its length.
            (1..=9.min(signature.len()))
                .any(|head| byte_string(signature.get(head..).unwrap_or_default()) == signature)
        })
}

/// A byte string of RFC 8949, section 3.1, with the shortest head.
fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u64;
    let head = length.to_be_bytes();
    let mut out = match length {
        0..=0x17 => vec![0x40 + length as u8],
        0x18..=0xff => [&[0x58], &head[7..]].concat(),
        0x100..=0xffff => [&[0x59], &head[6..]].concat(),
        0x1_0000..=0xffff_ffff => [&[0x5a], &head[4..]].concat(),
        _ => [&[0x5b], &head[..]].concat(),
    };
    out.extend_from_slice(bytes);
    out
}

fn entry(data: &[u8]) -> bool {
    let Ok((entry, envelope, _)) = decode_entry(data) else {
        return false;
    };
    // What an entry carries is an envelope, by the very same rules.
    let alone = Envelope::parse(&entry.signed_statement).expect("an entry holds an envelope");
    assert_eq!(alone.payload(), envelope.payload());
    assert_eq!(Entry::decode(entry.encode_to_vec().as_slice()), Ok(entry));
    true
}

fn certificate(data: &[u8]) -> bool {
    let Ok(certificate) = SignerCertificate::from_der(data) else {
        return false;
    };
    assert_eq!(certificate.der, data);
    assert_eq!(certificate.thumbprint, thumbprint(data));
    assert_eq!(
        certificate.id.to_string().parse::<SignerId>(),
        Ok(certificate.id)
    );
    true
}

fn entry_of(envelope: &[u8]) -> Vec<u8> {
    Entry {
        signed_statement: envelope.to_vec().into(),
        ..Entry::default()
    }
    .encode_to_vec()
}

/// Envelopes, an entry around one, and a certificate.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let reports = reports();
    let mut seeds = Vec::new();
    for (i, report) in reports.iter().take(2).enumerate() {
        for (kind, statement) in ["report", "retraction"].iter().zip(statements(report)) {
            let signed = AGENCY.signer.sign(&statement).unwrap();
            seeds.push((format!("entry-{kind}-{i}"), entry_of(&signed)));
            seeds.push((format!("envelope-{kind}-{i}"), signed));
        }
    }
    let empty = AGENCY.signer.sign_payload(Vec::new()).unwrap();
    seeds.push(("envelope-empty".into(), empty));
    let no_statement = AGENCY.signer.sign_payload(vec![0xff]).unwrap();
    seeds.push(("envelope-no-statement".into(), no_statement));
    seeds.push(("certificate".into(), AGENCY.certificate.der.clone()));
    seeds
}

/// One envelope in other encodings of the same CBOR, and with headers that are not allowed.
pub fn refused() -> Vec<(String, Vec<u8>)> {
    let (label, text) = (
        &[0x03, 0x78, CONTENT_TYPE.len() as u8][..],
        CONTENT_TYPE.as_bytes(),
    );
    let content_type = [label, text].concat();
    let algorithm = [0x01, 0x27];
    let hash = AGENCY.certificate.thumbprint;
    let x5t = [&[0x18, 0x22, 0x82, 0x2f, 0x58, 0x20][..], &hash].concat();
    let long_x5t = [&[0x19, 0x00, 0x22, 0x82, 0x2f, 0x58, 0x20][..], &hash].concat();
    let header = |parts: &[&[u8]]| {
        let map = [&[0xa0 + parts.len() as u8][..], &parts.concat()].concat();
        byte_string(&map)
    };
    let protected = header(&[&algorithm, &content_type, &x5t]);
    let (payload, signature) = (byte_string(&[1; 30]), byte_string(&[2; 64]));
    let envelope = |parts: &[&[u8]]| parts.concat();
    let rest =
        |protected: &[u8]| envelope(&[&[0xd2, 0x84], protected, &[0xa0], &payload, &signature]);
    let long = |string: &[u8]| [&[0x59, 0x00], &string[1..]].concat();
    [
        (
            "long-tag",
            envelope(&[
                &[0xd8, 0x12, 0x84],
                &protected,
                &[0xa0],
                &payload,
                &signature,
            ]),
        ),
        ("no-tag", rest(&protected)[1..].to_vec()),
        (
            "long-array",
            envelope(&[
                &[0xd2, 0x98, 0x04],
                &protected,
                &[0xa0],
                &payload,
                &signature,
            ]),
        ),
        (
            "endless-array",
            envelope(&[
                &[0xd2, 0x9f],
                &protected,
                &[0xa0],
                &payload,
                &signature,
                &[0xff],
            ]),
        ),
        (
            "long-payload",
            envelope(&[
                &[0xd2, 0x84],
                &protected,
                &[0xa0],
                &long(&payload),
                &signature,
            ]),
        ),
        (
            "long-signature",
            envelope(&[
                &[0xd2, 0x84],
                &protected,
                &[0xa0],
                &payload,
                &long(&signature),
            ]),
        ),
        ("long-protected", rest(&long(&protected))),
        (
            "long-map",
            envelope(&[
                &[0xd2, 0x84],
                &protected,
                &[0xb8, 0x00],
                &payload,
                &signature,
            ]),
        ),
        (
            "long-label",
            rest(&header(&[&algorithm, &content_type, &long_x5t])),
        ),
        (
            "other-order",
            rest(&header(&[&content_type, &algorithm, &x5t])),
        ),
        ("no-x5t", rest(&header(&[&algorithm, &content_type]))),
        (
            "key-id",
            rest(&header(&[
                &algorithm,
                &content_type,
                &[0x04, 0x41, 0x00],
                &x5t,
            ])),
        ),
        (
            "twice",
            rest(&header(&[&algorithm, &algorithm, &content_type, &x5t])),
        ),
        (
            "unknown-label",
            rest(&header(&[
                &algorithm,
                &content_type,
                &x5t,
                &[0x18, 0x63, 0x00],
            ])),
        ),
        (
            "unprotected",
            envelope(&[
                &[0xd2, 0x84],
                &protected,
                &[0xa1, 0x04, 0x41, 0x00],
                &payload,
                &signature,
            ]),
        ),
        (
            "no-payload",
            envelope(&[&[0xd2, 0x84], &protected, &[0xa0], &[0xf6], &signature]),
        ),
        ("more-after", [rest(&protected), vec![0]].concat()),
    ]
    .map(|(name, data)| (name.into(), data))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that each of [`refused`] is refused for the one thing that is wrong with it.
    #[test]
    fn what_the_refused_ones_are_made_of_is_an_envelope() {
        let (_, no_tag) = refused().into_iter().find(|(n, _)| n == "no-tag").unwrap();
        assert!(envelope(&[&[0xd2][..], &no_tag].concat()));
    }
}
