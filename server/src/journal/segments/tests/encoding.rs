//! The bytes of headers and groups, and arbitrary bytes in their place.

use std::fs;

use bytes::Bytes;
use proptest::prelude::*;

use super::Place;
use crate::journal::conformance::append_groups;
use crate::journal::segments::format::{
    GROUP_HEADER_BYTES, GroupHeader, HeaderFault, SegmentHeader, decode_group, encode_group,
};
use crate::journal::{Group, GroupTrailer, JournalReader};

fn header() -> SegmentHeader {
    SegmentHeader {
        first_position: 77,
        file_bytes: 1 << 20,
        id: [9; 16],
        origin: super::ORIGIN.to_owned(),
    }
}

#[test]
fn segment_header_round_trip_and_every_bit_covered() {
    let (bytes, seed) = header().encode();
    assert_eq!(SegmentHeader::decode(&bytes).unwrap(), (header(), seed));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let fault = SegmentHeader::decode(&changed).unwrap_err();
        assert_eq!(
            matches!(fault, HeaderFault::Version(_)),
            (8..12).contains(&at)
        );
    }
    for len in 0..bytes.len() {
        SegmentHeader::decode(&bytes[..len]).unwrap_err();
    }
}

proptest! {
    #[test]
    fn group_round_trip(
        first_position in 0..u64::MAX / 2,
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
        root: [u8; 32],
        checkpoint in ".{0,200}",
        seed: u32,
        flip in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let entries: Vec<_> = entries.into_iter().map(Bytes::from).collect();
        let tree_size = first_position + entries.len() as u64;
        let group = Group { first_position, entries: &entries, tree_size, root, checkpoint: &checkpoint };
        let mut bytes = Vec::new();
        encode_group(&group, seed, &mut bytes).unwrap();

        let header = GroupHeader::decode(&bytes, seed).unwrap();
        prop_assert_eq!(header.total_bytes(), bytes.len() as u64);
        prop_assert_eq!((header.first_position, header.end_position()), (first_position, tree_size));
        let (decoded, trailer) = decode_group(&header, &bytes, seed).unwrap();
        prop_assert_eq!(decoded, entries.iter().map(|e| &e[..]).collect::<Vec<_>>());
        prop_assert_eq!(trailer, GroupTrailer { tree_size, root, checkpoint });

        // Neither with a bit changed nor in another segment does it pass.
        prop_assert_eq!(GroupHeader::decode(&bytes, !seed), None);
        let at = flip.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        match GroupHeader::decode(&bytes, seed) {
            Some(header) => prop_assert!(decode_group(&header, &bytes, seed).is_err()),
            None => prop_assert!(at < GROUP_HEADER_BYTES),
        }
    }

    #[test]
    fn arbitrary_bytes_decode_to_nothing(bytes in prop::collection::vec(any::<u8>(), 0..5000), seed: u32) {
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
        prop_assert_eq!(GroupHeader::decode(&bytes, seed), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Opening never panics and never shows an entry that was not written, whatever the file holds.
    #[test]
    fn arbitrary_segment_file(noise in prop::collection::vec(any::<u8>(), 0..9000), keep in 0..9000_usize) {
        let place = Place::filled(16 << 10, &[1, 2, 3], 40);
        let path = &place.segments()[0];
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(keep);
        bytes.extend_from_slice(&noise);
        fs::write(path, &bytes).unwrap();
        if let Ok((mut journal, recovery)) = place.open(None) {
            prop_assert!([0, 1, 3, 6].contains(&recovery.entries));
            append_groups(&mut journal, &[2], 40);
            crate::journal::conformance::assert_holds(&*reader(&journal), recovery.entries + 2, 40);
        }
    }
}

fn reader(journal: &impl crate::journal::Journal) -> std::sync::Arc<dyn JournalReader> {
    journal.reader()
}
