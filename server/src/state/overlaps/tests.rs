use std::path::Path;

use casebroker_proto::v1::OverlapBasis;
use proptest::prelude::*;

use super::*;
use crate::state::{Applied, CaseRecord, Effect, StatementChange};

/// A statement: its case, by owner and number, and what it brings.
#[derive(Debug, Clone)]
struct Said {
    owner: &'static str,
    case: u8,
    keys: Vec<u8>,
}

fn said(owner: &'static str, case: u8, keys: &[u8]) -> Said {
    Said {
        owner,
        case,
        keys: keys.to_vec(),
    }
}

fn key(n: u8) -> Key {
    Key {
        basis: OverlapBasis::TrackingNumber,
        bytes: [n; 32],
    }
}

fn name(owner: &str, case: u8) -> CaseName {
    CaseName::from_ids(owner, &format!("c{case}")).unwrap()
}

/// As the sequencer and the rebuild make them, from position 0 on.
fn changes(statements: &[Said]) -> Vec<Change> {
    let mut records: HashMap<CaseName, CaseRecord> = HashMap::new();
    let change = |(position, said): (usize, &Said)| {
        let (position, case) = (position as u64, name(said.owner, said.case));
        let record = records.entry(case.clone()).or_default();
        let effect = match record.statements.is_empty() {
            true => Effect::Reported,
            false => Effect::Amended,
        };
        record.statements.push((position, effect));
        Change::Statement(StatementChange {
            position,
            agency: case.agency().clone(),
            request_id: u128::from(position).to_be_bytes(),
            record: record.clone(),
            case,
            tasks: Vec::new(),
            keys: said.keys.iter().map(|n| key(*n)).collect(),
        })
    };
    statements.iter().enumerate().map(change).collect()
}

fn open(dir: &Path) -> Store {
    let (store, opened) = Store::open(dir, 1 << 20, &|_| Ok(Some([0; 32]))).unwrap();
    assert!(opened.moved_aside.is_none());
    store
}

fn stage(store: &Store, changes: &[Change], position: usize) {
    let applied = Applied {
        position: position as u64,
        root: [0; 32],
    };
    store.stage(changes, applied).unwrap();
}

/// A store with these statements, staged in one group.
fn staged(statements: &[Said]) -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    stage(&store, &changes(statements), statements.len());
    (store, dir)
}

fn holders(store: &Store, n: u8) -> Vec<String> {
    let holders = store.holders(&key(n)).unwrap();
    holders.cases.iter().map(|h| h.case.to_string()).collect()
}

fn overlapping(store: &Store, owner: &str) -> Vec<(u64, String)> {
    let owner = AgencyName::from_id(owner).unwrap();
    let found = store.overlapping(&owner, u64::MAX, 1_000).unwrap();
    found
        .into_iter()
        .map(|h| (h.first_position, h.case.case_id().to_owned()))
        .collect()
}

#[test]
fn cases_that_brought_the_same_are_found_and_both_are_marked() {
    let (store, _dir) = staged(&[
        said("us-dea", 1, &[1, 2]),
        said("us-dea", 2, &[3]),
        said("us-cbp", 1, &[2]),
        said("ca-rcmp", 1, &[4]),
        // What was said first comes first; saying it again changes nothing.
        said("us-dea", 1, &[2]),
        said("us-cbp", 3, &[]),
    ]);
    for _ in 0..2 {
        let both = ["agencies/us-dea/cases/c1", "agencies/us-cbp/cases/c1"];
        assert_eq!(holders(&store, 2), both);
        assert_eq!(holders(&store, 1), both[..1]);
        assert!(holders(&store, 9).is_empty());
        assert_eq!(overlapping(&store, "us-dea"), [(0, "c1".into())]);
        assert_eq!(overlapping(&store, "us-cbp"), [(2, "c1".into())]);
        assert!(overlapping(&store, "ca-rcmp").is_empty());
        store.settle().unwrap();
    }
}

#[test]
fn a_case_that_comes_to_share_something_late_is_marked_where_it_begins() {
    let (store, _dir) = staged(&[
        said("us-dea", 1, &[1]),
        said("us-dea", 2, &[]),
        said("us-cbp", 1, &[2]),
        said("us-dea", 2, &[2]),
        said("us-dea", 3, &[1]),
    ]);
    let expected = [(4, "c3".into()), (1, "c2".into()), (0, "c1".into())];
    assert_eq!(overlapping(&store, "us-dea"), expected, "newest first");
    let dea = AgencyName::from_id("us-dea").unwrap();
    let before = store.overlapping(&dea, 4, 1).unwrap();
    assert_eq!(before.len(), 1);
    assert_eq!(before[0].first_position, 1);
}

#[test]
fn no_agency_takes_all_the_room_and_what_is_left_out_is_told() {
    let own = (0..40).map(|case| said("us-dea", case, &[1]));
    let mut statements: Vec<_> = own.collect();
    statements.push(said("us-cbp", 1, &[1]));
    let (store, _dir) = staged(&statements);
    let found = store.holders(&key(1)).unwrap();
    assert_eq!(found.cases.len(), MAX_HOLDERS_AN_AGENCY + 1);
    assert!(found.more);
    assert_eq!(found.cases.last().unwrap().case, name("us-cbp", 1));
    assert_eq!(overlapping(&store, "us-dea").len(), 40, "all are marked");

    let agencies = ["a1", "a2", "a3", "a4", "a5", "a6"];
    let many = agencies.iter().flat_map(|agency| {
        let cases = 0..MAX_HOLDERS_AN_AGENCY as u8;
        cases.map(|case| said(agency, case, &[1]))
    });
    let (store, _dir) = staged(&many.collect::<Vec<_>>());
    assert_eq!(store.holders(&key(1)).unwrap().cases.len(), MAX_HOLDERS);
}

/// Everything that sled has.
fn dump(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.settle().unwrap();
    let pairs = store.shared.db.iter().map(Result::unwrap);
    pairs.map(|(k, v)| (k.to_vec(), v.to_vec())).collect()
}

fn any_statement() -> impl Strategy<Value = Said> {
    let owner = prop_oneof![Just("us-dea"), Just("us-cbp"), Just("ca-rcmp")];
    let keys = proptest::collection::vec(0..6_u8, 0..4);
    (owner, 0..30_u8, keys).prop_map(|(owner, case, keys)| Said { owner, case, keys })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn however_statements_are_grouped_the_store_is_the_same_byte_for_byte(
        statements in proptest::collection::vec(any_statement(), 1..150),
        group in 1..40_usize,
    ) {
        let all = changes(&statements);
        let (at_once, _dir) = staged(&statements);

        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let mut done = 0;
        for changes in all.chunks(group) {
            done += changes.len();
            stage(&store, changes, done);
            // The first half finds what is not in sled yet, the second what is.
            if done > all.len() / 2 {
                store.settle().unwrap();
            }
        }
        prop_assert_eq!(dump(&at_once), dump(&store));
    }
}
