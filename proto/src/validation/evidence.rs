//! Evidence references, and references to them.

use super::{
    checker::{Checker, Path, shown},
    limits,
};
use crate::v1::{Digest, DigestAlgorithm, EvidenceKind, EvidenceReference};

/// The evidence that ids may name: that of the same report or statement.
#[derive(Debug)]
pub(super) enum Listed<'a> {
    /// Few enough to be searched one by one, without allocation.
    Few(&'a [EvidenceReference]),
    /// Ids in order: a message may hold many thousand references, so a search must not cost the length of the list.
    Many(Vec<&'a str>),
}

impl<'a> Listed<'a> {
    pub(super) fn new(evidence: &'a [EvidenceReference]) -> Self {
        if evidence.len() <= 16 {
            return Self::Few(evidence);
        }
        let mut ids: Vec<&str> = evidence.iter().map(|e| e.id.as_str()).collect();
        ids.sort_unstable();
        Self::Many(ids)
    }

    fn contains(&self, id: &str) -> bool {
        match self {
            Self::Few(evidence) => evidence.iter().any(|e| e.id == id),
            Self::Many(ids) => ids.binary_search(&id).is_ok(),
        }
    }
}

impl Checker {
    /// The `evidence` of the message here.
    pub(super) fn evidence(&mut self, at: &Path<'_>, evidence: &[EvidenceReference]) {
        let max = limits::EVIDENCE;
        self.each(at, "evidence", evidence, max, Self::reference);
        self.repeated(
            evidence,
            max,
            |e| e.id.as_str(),
            |c, i, first| {
                c.refuse(&at.element("evidence", i).field("id"), || {
                    format!("is the id of evidence[{first}] too; each must be unique")
                });
            },
        );
    }

    /// The `evidence_ids` of the message here.
    pub(super) fn evidence_ids(&mut self, at: &Path<'_>, ids: &[String], listed: &Listed<'_>) {
        let max = limits::EVIDENCE_IDS;
        self.each(at, "evidence_ids", ids, max, |c, at, id| {
            if !listed.contains(id) {
                c.refuse(at, || {
                    format!("is {}, which is not the id of evidence listed in the same report or statement", shown(id))
                });
            }
        });
        self.each_once(at, "evidence_ids", ids, max);
    }

    fn reference(&mut self, at: &Path<'_>, reference: &EvidenceReference) {
        self.id(&at.field("id"), &reference.id);
        self.required_enum::<EvidenceKind>(&at.field("kind"), reference.kind);
        self.required(&at.field("digest"), reference.digest.as_ref(), Self::digest);
        if reference.size_bytes <= 0 {
            let size = reference.size_bytes;
            self.refuse(&at.field("size_bytes"), || {
                format!("is {size}; the size of the file in bytes is required, over 0")
            });
        }
        self.media_type(&at.field("media_type"), &reference.media_type);
        self.required_line(
            &at.field("custodian"),
            &reference.custodian,
            limits::CUSTODIAN,
        );
        if let Some(time) = &reference.collect_time {
            self.past_time(&at.field("collect_time"), time);
        }
        let max = limits::EVIDENCE_DESCRIPTION;
        self.optional_prose(&at.field("description"), &reference.description, max);
    }

    pub(crate) fn digest(&mut self, at: &Path<'_>, digest: &Digest) {
        self.required_enum::<DigestAlgorithm>(&at.field("algorithm"), digest.algorithm);
        let (length, found) = (digest_length(digest.algorithm), digest.value.len());
        let value = at.field("value");
        match length {
            _ if found == 0 => self.missing(&value),
            Some(length) if found != length => self.refuse(&value, || {
                format!("has {found} bytes; a digest of this algorithm has {length}")
            }),
            _ => {}
        }
    }
}

/// In bytes (FIPS 180-4); none for an algorithm that is refused anyway.
fn digest_length(algorithm: i32) -> Option<usize> {
    match DigestAlgorithm::try_from(algorithm).ok()? {
        DigestAlgorithm::Unspecified => None,
        DigestAlgorithm::Sha256 => Some(32),
        DigestAlgorithm::Sha384 => Some(48),
        DigestAlgorithm::Sha512 => Some(64),
    }
}
