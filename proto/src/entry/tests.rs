use proptest::prelude::*;

use super::*;
use crate::{
    statement::Signer,
    v1::{
        CaseReport, Corroboration, RegistryChange, RegistryUpdate, Report, Retraction, Statement,
    },
};

fn signer() -> Signer {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut params = rcgen::CertificateParams::default();
    let uri = "spiffe://casebroker.example/agency/us-dea/signer/2026a";
    params
        .subject_alt_names
        .push(rcgen::SanType::URI(uri.try_into().unwrap()));
    let certificate = params.self_signed(&key).unwrap();
    Signer::new(key.serialized_der(), certificate.der()).unwrap()
}

fn reporting(case: &str, name: &str) -> Statement {
    let report = CaseReport {
        name: name.into(),
        ..Default::default()
    };
    Statement {
        case: case.into(),
        kind: Some(Kind::Report(Report {
            report: Some(report),
        })),
        ..Default::default()
    }
}

const CASE: &str = "agencies/us-dea/cases/1";
const SYSTEM: &str = "spiffe://casebroker.example/agency/us-dea/system/feed";

fn entry_of(statement: &Statement) -> Entry {
    Entry {
        record_time: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 7,
        }),
        principal: SYSTEM.into(),
        salt: vec![1; SALT_BYTES].into(),
        signed_statement: signer().sign(statement).unwrap().into(),
        registry_update: None,
    }
}

fn good() -> Entry {
    entry_of(&reporting(CASE, CASE))
}

fn fault(entry: &Entry) -> EntryError {
    check_entry(&entry.encode_to_vec()).unwrap_err()
}

#[test]
fn what_a_broker_records_is_well_formed() {
    check_entry(&good().encode_to_vec()).unwrap();
    let update = RegistryUpdate {
        changes: vec![RegistryChange::default()],
    };
    let entry = Entry {
        principal: String::new(),
        signed_statement: Default::default(),
        registry_update: Some(update),
        ..good()
    };
    check_entry(&entry.encode_to_vec()).unwrap();
}

#[test]
fn each_fault_of_the_entry_itself_is_named() {
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut entry = good();
        change(&mut entry);
        fault(&entry)
    };
    let time = |entry: &mut Entry, seconds, nanos| {
        entry.record_time = Some(prost_types::Timestamp { seconds, nanos });
    };
    assert_eq!(with(&|e| e.record_time = None), EntryError::RecordTime);
    assert_eq!(with(&|e| time(e, 5, 2_000_000_000)), EntryError::RecordTime);
    assert_eq!(with(&|e| time(e, -1, 0)), EntryError::RecordTime);
    assert_eq!(with(&|e| e.salt = vec![1; 8].into()), EntryError::Salt(8));
    assert_eq!(with(&|e| e.salt = Default::default()), EntryError::Salt(0));
    assert!(matches!(
        with(&|e| e.principal.clear()),
        EntryError::Principal(_)
    ));
    for role in ["auditor", "operator"] {
        let error = with(&|e| e.principal = SYSTEM.replace("system", role));
        assert!(matches!(error, EntryError::Form(FormError::Role(_))));
    }
    let both = with(&|e| {
        e.registry_update = Some(RegistryUpdate {
            changes: vec![RegistryChange::default()],
        });
    });
    assert!(matches!(both, EntryError::Statement(_)));
    let update = |e: &mut Entry, changes| {
        e.signed_statement = Default::default();
        e.registry_update = Some(RegistryUpdate { changes });
    };
    let named = with(&|e| update(e, vec![RegistryChange::default()]));
    assert_eq!(named, EntryError::RegistryPrincipal);
    let empty = with(&|e| {
        update(e, Vec::new());
        e.principal.clear();
    });
    assert_eq!(empty, EntryError::EmptyUpdate);
}

#[test]
fn unknown_and_repeated_fields_of_the_entry_are_refused() {
    let bytes = good().encode_to_vec();
    for tail in [
        &[0xf8, 0x3f, 1][..],
        &[0x12, 1, b'x'],
        &[0x1a, 0],
        &[0x2a, 0],
    ] {
        let entry = [&bytes[..], tail].concat();
        assert!(check_entry(&entry).is_err(), "{tail:?}");
    }
}

#[test]
fn a_statement_that_its_principal_cannot_have_made_is_refused() {
    let form = |statement: &Statement| match fault(&entry_of(statement)) {
        EntryError::Form(form) => form,
        other => panic!("{other:?}"),
    };
    let other = "agencies/us-cbp/cases/1";
    let without_kind = Statement {
        kind: None,
        ..reporting(CASE, CASE)
    };
    assert_eq!(form(&without_kind), FormError::NoKind);
    assert!(matches!(form(&reporting("x", "x")), FormError::Case(_)));
    let two = form(&reporting(CASE, "agencies/us-dea/cases/2"));
    assert!(matches!(two, FormError::TwoCases { .. }));
    let not_owner = form(&reporting(other, other));
    assert!(matches!(not_owner, FormError::NotOwner { .. }));
    let retraction = Statement {
        kind: Some(Kind::Retraction(Retraction::default())),
        ..reporting(other, other)
    };
    assert!(matches!(form(&retraction), FormError::NotOwner { .. }));
    let corroboration = |case: &str| Statement {
        kind: Some(Kind::Corroboration(Corroboration::default())),
        ..reporting(case, case)
    };
    assert_eq!(form(&corroboration(CASE)), FormError::Owner);
    assert_eq!(form(&corroboration(other)), FormError::Role(Role::System));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Around the envelope no byte of an entry may be changed, added or left out but its salt's, its time's and its principal's
    /// name to others of the same form.
    #[test]
    fn a_changed_entry_is_refused_or_says_something_else(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3_u8,
    ) {
        let entry = good();
        let bytes = entry.encode_to_vec();
        let mut changed = bytes.clone();
        let at = at.index(changed.len());
        match how {
            0 => changed[at] = byte,
            1 => changed.insert(at, byte),
            _ => drop(changed.remove(at)),
        }
        if changed == bytes {
            return Ok(());
        }
        if let Ok((read, _)) = check_entry(&changed) {
            prop_assert_eq!(read.encode_to_vec(), changed);
            prop_assert!(read.encode_to_vec() != bytes);
            prop_assert_eq!(read.salt.len(), SALT_BYTES);
        }
    }
}
