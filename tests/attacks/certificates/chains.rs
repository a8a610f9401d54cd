//! Chains that lead nowhere, or too far.

use casebroker_tests::{
    DEA,
    pki::{Authority, Identity, spiffe},
    site::replace,
    wait,
};
use rcgen::{
    BasicConstraints, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use super::{come, leaf, let_in, refused};
use crate::arena::Arena;

/// An authority below another: its certificate, and what issues in its name.
pub(super) fn below(
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

pub(super) async fn chains(arena: &Arena, signer: &Identity) {
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
    refused(
        arena,
        "a chain longer than the anchor's own path length",
        "UnknownIssuer",
        by(&first, &[&one]),
    )
    .await;
    // All others below an anchor that allows any depth.
    let wide = Authority::unconstrained("wide");
    let anchor = arena.site.member_file(DEA, "anchor.pem");
    let own_anchor = std::fs::read_to_string(&anchor).unwrap();
    // The refusal is that of the last anchor.
    replace(&anchor, &format!("{own_anchor}{}", wide.pem));
    let root = wide.issuer();
    let plain = by(root, &[]).expect("made");
    wait::until_async("the other anchor is in force", async || {
        come(arena, Some(&plain)).await.ok()
    })
    .await;
    let (one, first) = below(root, "first", IsCa::Ca(BasicConstraints::Unconstrained));
    let_in(
        arena,
        "a chain below an anchor that allows any depth",
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
    refused(
        arena,
        "a chain of 22",
        "MaximumPathDepthExceeded",
        by(&last, &above),
    )
    .await;
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
        "MaximumPathBuildCallsExceeded",
        by(&issuer, &[&maze]),
    )
    .await;
    let mut authority = leaf(&[&own]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    refused(
        arena,
        "a leaf that is an authority",
        "CaUsedAsEndEntity",
        Some(wide.sign(&authority, &PKCS_ECDSA_P256_SHA256)),
    )
    .await;
    replace(&anchor, &own_anchor);
    wait::until_async("the other anchor is in force no more", async || {
        come(arena, Some(&plain)).await.err()
    })
    .await;
}
