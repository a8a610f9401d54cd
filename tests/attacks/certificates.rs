//! Attacks with certificates: what proves nothing, names nobody or somebody else, or is of another make. Revoked certificates and
//! malformed revocation lists belong here too, once the broker reads lists.

use casebroker_tests::{
    CBP, DEA, Site,
    pki::{Authority, Identity, Wish, pem, spiffe},
    tls::Client,
    wait,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, SanType, SignatureAlgorithm,
    date_time_ymd,
};
use rustls::version::TLS13;

use crate::{
    arena::{Arena, Line},
    weak,
};

pub async fn run(filters: &[String]) -> Vec<Line> {
    let site = Site::new();
    let (second, _) = site.authority(DEA).signer(DEA, "second", (2020, 2100));
    site.register_signer(DEA, "second", &second.certificate);
    let arena = Arena::open("certificates", filters, site).await;
    proofs(&arena).await;
    names(&arena).await;
    chains(&arena, &second).await;
    makes(&arena).await;
    arena.close().await
}

async fn come(arena: &Arena, identity: Option<&Identity>) -> Result<(), String> {
    let client = Client {
        anchor: arena.broker.anchor(),
        identity,
        versions: &[&TLS13],
    };
    client
        .is_let_in(arena.broker.address)
        .await
        .map_err(|e| e.to_string())
}

/// Must be refused, for a reason that the broker logs with these words.
async fn refused(arena: &Arena, name: &str, words: &str, identity: Option<Identity>) {
    refused_as(arena, name, words, || come(arena, identity.as_ref())).await;
}

/// The same for what the client's own library would not show.
async fn refused_raw(arena: &Arena, name: &str, words: &str, identity: Identity) {
    refused_as(arena, name, words, || {
        weak::come_unchecked(arena, &identity)
    })
    .await;
}

async fn refused_as<F: Future<Output = Result<(), String>>>(
    arena: &Arena,
    name: &str,
    words: &str,
    come: impl FnOnce() -> F,
) {
    let logged_before = arena.broker.stderr().len();
    arena
        .attack(name, async {
            let alert = come().await.expect_err("refused");
            let what = format!("the broker logs {words:?}");
            let error = wait::until_async(&what, || async {
                let log = arena.broker.stderr();
                let mut lines = log[logged_before..].lines();
                let line =
                    lines.find(|line| line.contains("handshake refused") && line.contains(words));
                let (_, error) = line?.split_once("error=")?;
                Some(error.to_owned())
            })
            .await;
            format!("handshake refused: {error:.120}; the peer reads: {alert}")
        })
        .await;
}

/// Is as good as any.
async fn let_in(arena: &Arena, name: &str, identity: Identity) {
    arena
        .attack(name, async {
            come(arena, Some(&identity)).await.expect("let in");
            "let in: allowed".into()
        })
        .await;
}

fn wish() -> Wish {
    Wish::client(DEA, "system", "test")
}

async fn proofs(arena: &Arena) {
    let issue = |wish: Wish| Some(arena.issue(&wish));
    refused(arena, "no certificate", "peer sent no certificates", None).await;
    refused(
        arena,
        "expired",
        "xpired",
        issue(Wish {
            years: (2020, 2021),
            ..wish()
        }),
    )
    .await;
    refused(
        arena,
        "not valid yet",
        "not valid yet",
        issue(Wish {
            years: (2090, 2100),
            ..wish()
        }),
    )
    .await;
    let server = Wish {
        usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
        ..wish()
    };
    refused(
        arena,
        "for servers (extended key usage)",
        "xtended",
        issue(server),
    )
    .await;
    refused(
        arena,
        "by an authority that nobody knows",
        "UnknownIssuer",
        Some(Authority::new("stranger").issue(&wish())),
    )
    .await;
    refused(
        arena,
        "by a namesake of the agency's authority",
        "BadSignature",
        Some(Authority::new(DEA).issue(&wish())),
    )
    .await;
    let by_other = arena.site.authority(CBP).issue(&wish());
    refused(
        arena,
        "by the authority of another member",
        "UnknownIssuer",
        Some(by_other),
    )
    .await;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let alone = leaf(&[&spiffe(DEA, "system", "test")])
        .self_signed(&key)
        .unwrap();
    let alone = Identity {
        certificate: alone.pem(),
        key: key.serialize_pem(),
    };
    refused(arena, "self-signed", "UnknownIssuer", Some(alone)).await;
    // The certificate of somebody else, shown by one who lacks its key.
    let good = arena.issue(&wish());
    let stolen = Identity {
        key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .unwrap()
            .serialize_pem(),
        ..good
    };
    refused_raw(
        arena,
        "a certificate without its key",
        "BadSignature",
        stolen,
    )
    .await;
}

async fn names(arena: &Arena) {
    let own = spiffe(DEA, "system", "test");
    let at = |from: &str, to: &str| own.replacen(from, to, 1);
    let long = at("/test", &format!("/{}", "a".repeat(10_000)));
    for (name, uris, words) in [
        ("no name", vec![], "no subject alternative name"),
        (
            "two URIs",
            vec![own.clone(), spiffe(DEA, "officer", "test")],
            "more than one URI",
        ),
        (
            "the same URI twice",
            vec![own.clone(), own.clone()],
            "more than one URI",
        ),
        ("a wildcard", vec![at("/test", "/*")], "id `*`"),
        (
            "a wildcard for the agency",
            vec![at("us-dea", "*")],
            "id `*`",
        ),
        (
            "another agency",
            vec![spiffe(CBP, "system", "test")],
            "UnknownIssuer",
        ),
        (
            "an agency that is no member",
            vec![at("us-dea", "us-fbi")],
            "of no member",
        ),
        (
            "another trust domain",
            vec![at("casebroker.example", "other.example")],
            "another trust domain",
        ),
        (
            "a trust domain below",
            vec![at("casebroker.example", "x.casebroker.example")],
            "another trust domain",
        ),
        (
            "another scheme",
            vec![at("spiffe", "https")],
            "must have the form",
        ),
        (
            "a scheme in upper case",
            vec![at("spiffe", "SPIFFE")],
            "must have the form",
        ),
        (
            "a trust domain in upper case",
            vec![at("casebroker", "Casebroker")],
            "handshake",
        ),
        (
            "an agency in upper case",
            vec![at("us-dea", "US-DEA")],
            "id `US-DEA`",
        ),
        (
            "percent-encoding",
            vec![at("us-dea", "us%2Ddea")],
            "id `us%2Ddea`",
        ),
        (
            "a slash at the end",
            vec![format!("{own}/")],
            "must have the form",
        ),
        ("a query", vec![format!("{own}?x=1")], "id `test?x=1`"),
        ("a fragment", vec![format!("{own}#x")], "id `test#x`"),
        (
            "a port",
            vec![at("casebroker.example", "casebroker.example:443")],
            "handshake",
        ),
        (
            "user information",
            vec![at("casebroker.example", "us-cbp@casebroker.example")],
            "handshake",
        ),
        (
            "dots",
            vec![at("/system", "/../us-cbp/system")],
            "must have the form",
        ),
        (
            "an empty segment",
            vec![at("/system", "//system")],
            "must have the form",
        ),
        ("an unknown role", vec![at("system", "root")], "role `root`"),
        ("a name of 10 kB", vec![long], "id `aaaa"),
        ("an empty name", vec![String::new()], "must have the form"),
    ] {
        let wish = Wish { uris, ..wish() };
        refused(arena, name, words, Some(arena.issue(&wish))).await;
    }
    let mut only_dns = leaf(&[]);
    only_dns
        .subject_alt_names
        .push(SanType::DnsName("us-dea.example".try_into().unwrap()));
    refused(
        arena,
        "only a DNS name",
        "names no SPIFFE ID",
        Some(
            arena
                .site
                .authority(DEA)
                .sign(&only_dns, &PKCS_ECDSA_P256_SHA256),
        ),
    )
    .await;
    let mut and_dns = leaf(&[&own]);
    and_dns
        .subject_alt_names
        .push(SanType::DnsName("us-dea.example".try_into().unwrap()));
    let_in(
        arena,
        "one URI and a DNS name (X509-SVID allows it)",
        arena
            .site
            .authority(DEA)
            .sign(&and_dns, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    let mut in_subject = leaf(&[]);
    in_subject
        .distinguished_name
        .push(DnType::CommonName, own.as_str());
    refused(
        arena,
        "the SPIFFE ID in the subject only",
        "no subject alternative name",
        Some(
            arena
                .site
                .authority(DEA)
                .sign(&in_subject, &PKCS_ECDSA_P256_SHA256),
        ),
    )
    .await;
}

fn leaf(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = uris
        .iter()
        .map(|uri| SanType::URI((*uri).try_into().unwrap()))
        .collect();
    params
}

/// An authority below another: its certificate, and what issues in its name.
fn below(
    issuer: &Issuer<'_, KeyPair>,
    name: &str,
    is_ca: IsCa,
) -> (String, Issuer<'static, KeyPair>) {
    let mut params = leaf(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages.clear();
    params.is_ca = is_ca;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap().pem();
    (certificate, Issuer::new(params, key))
}

async fn chains(arena: &Arena, signer: &Identity) {
    refused(
        arena,
        "a signing certificate",
        "role `signer`",
        Some(signer.clone()),
    )
    .await;
    let own = spiffe(DEA, "system", "test");
    let root = arena.site.authority(DEA).issuer();
    let by = |issuer: &Issuer<'_, KeyPair>, above: &[&str]| {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut certificate = leaf(&[&own]).signed_by(&key, issuer).unwrap().pem();
        above.iter().for_each(|pem| certificate.push_str(pem));
        Some(Identity {
            certificate,
            key: key.serialize_pem(),
        })
    };
    let (one, first) = below(root, "first", IsCa::Ca(BasicConstraints::Unconstrained));
    // RFC 5280, section 6.1.1, leaves it open whether an anchor's own limits count; rustls-webpki does not look at them.
    let_in(
        arena,
        "a chain longer than the anchor's own path length",
        by(&first, &[&one]).expect("made"),
    )
    .await;
    let (low, lowest) = below(root, "lowest", IsCa::Ca(BasicConstraints::Constrained(0)));
    let (lower, beneath) = below(
        &lowest,
        "beneath",
        IsCa::Ca(BasicConstraints::Unconstrained),
    );
    refused(
        arena,
        "a chain longer than an authority in it allows",
        "PathLenConstraintViolated",
        by(&beneath, &[&lower, &low]),
    )
    .await;
    let mut chain = vec![one];
    let mut last = first;
    for n in 0..20 {
        let (pem, next) = below(
            &last,
            &format!("authority {n}"),
            IsCa::Ca(BasicConstraints::Unconstrained),
        );
        chain.insert(0, pem);
        last = next;
    }
    let above: Vec<&str> = chain.iter().map(String::as_str).collect();
    refused(arena, "a chain of 22", "handshake", by(&last, &above)).await;
    let (none, issuer) = below(root, "no authority", IsCa::ExplicitNoCa);
    refused(
        arena,
        "an intermediate that is no authority",
        "EndEntityUsedAsCa",
        by(&issuer, &[&none]),
    )
    .await;
    // Authorities of the same name that signed each other: what makes a search for a path long.
    let mut maze = String::new();
    let mut issuer = below(root, "maze", IsCa::Ca(BasicConstraints::Unconstrained)).1;
    for _ in 0..60 {
        let (pem, next) = below(&issuer, "maze", IsCa::Ca(BasicConstraints::Unconstrained));
        maze.push_str(&pem);
        issuer = next;
    }
    refused(
        arena,
        "60 authorities of one name (a search without end)",
        "handshake",
        by(&issuer, &[&maze]),
    )
    .await;
    let mut authority = leaf(&[&own]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    refused(
        arena,
        "a leaf that is an authority",
        "CaUsedAsEndEntity",
        Some(
            arena
                .site
                .authority(DEA)
                .sign(&authority, &PKCS_ECDSA_P256_SHA256),
        ),
    )
    .await;
}

async fn makes(arena: &Arena) {
    let own = spiffe(DEA, "system", "test");
    let authority = arena.site.authority(DEA);
    let mut huge = leaf(&[&own]);
    huge.custom_extensions
        .push(CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 4, 1, 55555, 1],
            vec![4; 60_000],
        ));
    let_in(
        arena,
        "a certificate of 60 kB (under TLS's 64 KiB)",
        authority.sign(&huge, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    huge.custom_extensions
        .push(CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 4, 1, 55555, 2],
            vec![4; 60_000],
        ));
    refused_raw(
        arena,
        "a certificate of 120 kB",
        "handshake",
        authority.sign(&huge, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    let mut many = leaf(&[&own]);
    many.subject_alt_names
        .extend((0..2_000).map(|n| SanType::DnsName(format!("a{n}.example").try_into().unwrap())));
    let_in(
        arena,
        "2,000 DNS names besides the URI",
        authority.sign(&many, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    let mut critical = leaf(&[&own]);
    let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55555, 3], vec![5, 0]);
    unknown.set_criticality(true);
    critical.custom_extensions.push(unknown);
    refused_raw(
        arena,
        "an unknown critical extension",
        "nsupportedCriticalExtension",
        authority.sign(&critical, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    for (name, algorithm) in [
        ("P-384", &PKCS_ECDSA_P384_SHA384),
        ("Ed25519", &PKCS_ED25519),
        ("P-521", &PKCS_ECDSA_P521_SHA512),
    ] {
        let algorithm: &'static SignatureAlgorithm = algorithm;
        let_in(
            arena,
            &format!("a key of {name}"),
            authority.sign(&leaf(&[&own]), algorithm),
        )
        .await;
    }
    let public = weak::rsa_1024_public();
    let certificate = leaf(&[&own])
        .signed_by(&public, authority.issuer())
        .unwrap();
    refused_as(arena, "a key of RSA-1024", "n", || {
        weak::come_with_rsa_1024(arena, certificate.der())
    })
    .await;
    // Not a certificate at all, and one with bytes behind it.
    let good = authority.issue(&wish());
    let text = pem(&[0x30, 0x03, 0x02, 0x01, 0x01]);
    refused_raw(
        arena,
        "five bytes of ASN.1",
        "handshake",
        Identity {
            certificate: text,
            ..good.clone()
        },
    )
    .await;
    let nested = [0x30, 0x80].repeat(20_000);
    refused_raw(
        arena,
        "20,000 sequences within each other",
        "handshake",
        Identity {
            certificate: pem(&nested),
            ..good
        },
    )
    .await;
}
