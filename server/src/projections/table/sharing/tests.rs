use std::collections::HashMap;

use casebroker_proto::v1::OverlapBasis;
use proptest::prelude::*;

use super::*;
use crate::projections::table::{
    rows::Rows,
    snapshot::{self, Of},
};

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

fn key(n: u64) -> Key {
    let mut bytes = [0; 32];
    // As a hash has them.
    let first = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes[..8].copy_from_slice(&first.to_be_bytes());
    Key {
        basis: OverlapBasis::TrackingNumber,
        bytes,
    }
}

fn agency(id: &str) -> AgencyName {
    AgencyName::from_id(id).unwrap()
}

/// The first position of each statement's case.
fn firsts(statements: &[Said]) -> Vec<u64> {
    let mut firsts = HashMap::new();
    let numbered = statements.iter().enumerate();
    let first = numbered.map(|(at, said)| {
        let first = firsts.entry((said.owner, said.case)).or_insert(at as u64);
        *first
    });
    first.collect()
}

/// Takes in the statements from this one on, by their positions.
fn take(sharing: &Sharing, statements: &[Said], from: usize, to: usize) {
    let firsts = firsts(statements);
    for at in from..to {
        let said = &statements[at];
        let keys: Vec<_> = said.keys.iter().map(|n| key((*n).into())).collect();
        let taken = sharing.take(firsts[at], &agency(said.owner), &keys);
        taken.unwrap();
    }
    sharing.publish(to as u64);
}

fn sharing(statements: &[Said]) -> Sharing {
    let sharing = Sharing::default();
    take(&sharing, statements, 0, statements.len());
    sharing
}

fn holders(sharing: &Sharing, n: u8) -> Vec<u64> {
    sharing.holders(&key(n.into())).cases
}

fn overlapping(sharing: &Sharing, owner: &str) -> Vec<u64> {
    sharing.overlapping(&agency(owner), u64::MAX, 1_000)
}

#[test]
fn cases_that_brought_the_same_are_found_and_both_are_marked() {
    let sharing = sharing(&[
        said("us-dea", 1, &[1, 2]),
        said("us-dea", 2, &[3]),
        said("us-cbp", 1, &[2]),
        said("ca-rcmp", 1, &[4]),
        // What was said first comes first; saying it again changes nothing.
        said("us-dea", 1, &[2]),
        said("us-cbp", 3, &[]),
    ]);
    assert_eq!(holders(&sharing, 2), [0, 2]);
    assert_eq!(holders(&sharing, 1), [0]);
    assert!(holders(&sharing, 9).is_empty());
    assert_eq!(overlapping(&sharing, "us-dea"), [0]);
    assert_eq!(overlapping(&sharing, "us-cbp"), [2]);
    assert!(overlapping(&sharing, "ca-rcmp").is_empty());
    assert!(overlapping(&sharing, "mx-fgr").is_empty());
}

#[test]
fn a_case_that_comes_to_share_something_late_is_marked_where_it_begins() {
    let sharing = sharing(&[
        said("us-dea", 1, &[1]),
        said("us-dea", 2, &[]),
        said("us-cbp", 1, &[2]),
        said("us-dea", 2, &[2]),
        said("us-dea", 3, &[1]),
    ]);
    assert_eq!(overlapping(&sharing, "us-dea"), [4, 1, 0], "newest first");
    assert_eq!(sharing.overlapping(&agency("us-dea"), 4, 1), [1]);
}

#[test]
fn no_agency_takes_all_the_room_and_what_is_left_out_is_told() {
    let own = (0..40).map(|case| said("us-dea", case, &[1]));
    let mut statements: Vec<_> = own.collect();
    statements.push(said("us-cbp", 1, &[1]));
    let crowded = sharing(&statements);
    let found = crowded.holders(&key(1));
    assert_eq!(found.cases.len(), MAX_HOLDERS_AN_AGENCY + 1);
    assert!(found.more);
    assert_eq!(found.cases.last(), Some(&40));
    assert_eq!(overlapping(&crowded, "us-dea").len(), 40, "all are marked");

    let agencies = ["a1", "a2", "a3", "a4", "a5", "a6"];
    let many = agencies.iter().flat_map(|agency| {
        let cases = 0..MAX_HOLDERS_AN_AGENCY as u8;
        cases.map(|case| said(agency, case, &[1]))
    });
    let crowded = sharing(&many.collect::<Vec<_>>());
    let found = crowded.holders(&key(1));
    assert_eq!(found.cases.len(), MAX_HOLDERS);
    assert!(found.more);
}

#[test]
fn five_marks_of_a_case_take_less_than_a_hundred_bytes() {
    let index = Index::default();
    let owner = agency("us-dea");
    let mut most = 0;
    for first in 0..300_000 {
        let case = index.case(first, &owner).unwrap();
        for n in 0..5 {
            index.add(&key(first * 5 + n), case).unwrap();
        }
        if first >= 50_000 && first % 10_000 == 0 {
            let shards = index.shards.iter();
            let sizes = shards.map(|shard| shard.read().unwrap().allocation_size());
            most = most.max(sizes.sum::<usize>() as u64 / first);
        }
    }
    // A case itself is one number.
    assert!(most + 8 < 100, "{most} bytes a case");
}

fn any_statement() -> impl Strategy<Value = Said> {
    let owner = prop_oneof![Just("us-dea"), Just("us-cbp"), Just("ca-rcmp")];
    let keys = proptest::collection::vec(0..6_u8, 0..4);
    (owner, 0..30_u8, keys).prop_map(|(owner, case, keys)| Said { owner, case, keys })
}

/// Everything that readers can ask.
fn content(sharing: &Sharing) -> (Vec<Holders>, Vec<Vec<u64>>) {
    let holders = (0..6).map(|n| sharing.holders(&key(n)));
    let agencies = ["us-dea", "us-cbp", "ca-rcmp"];
    let overlapping = agencies.map(|agency| overlapping(sharing, agency));
    (holders.collect(), overlapping.into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_saved_goes_on_like_what_was_never_interrupted_also_if_it_was_ahead(
        statements in proptest::collection::vec(any_statement(), 1..200),
        saved in 0..200_usize,
        back in 0..20_usize,
    ) {
        let saved = saved.min(statements.len());
        let whole = sharing(&statements);
        let dir = tempfile::tempdir().unwrap();
        let before = Sharing::default();
        take(&before, &statements, 0, saved);
        let path = dir.path().join("snapshot");
        let of = Of { fingerprint: String::new(), position: 0, root: [0; 32] };
        snapshot::write(&path, &Rows::default(), &before, &of).unwrap();
        let (_, index, _) = snapshot::read(&path, &|| false).unwrap();
        let after = Sharing::default();
        let position = saved.saturating_sub(back);
        after.begin(index, position as u64);
        prop_assert_eq!(content(&before), content(&after));
        take(&after, &statements, position, statements.len());
        prop_assert_eq!(content(&whole), content(&after));
    }
}
