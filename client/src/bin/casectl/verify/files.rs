//! Evidence files against the digests that statements name.

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
};

use casebroker_proto::v1::{DigestAlgorithm, EvidenceReference, Statement, statement::Kind};

use crate::{evidence::hash_file, failure::Result};

const ALGORITHMS: [DigestAlgorithm; 3] = [
    DigestAlgorithm::Sha256,
    DigestAlgorithm::Sha384,
    DigestAlgorithm::Sha512,
];

/// The files given, each with its digests.
#[derive(Debug)]
pub struct Files(Vec<File>);

#[derive(Debug)]
struct File {
    name: String,
    size: u64,
    digests: Vec<(DigestAlgorithm, Vec<u8>)>,
    matched: Cell<bool>,
    /// Evidence that has one of its digests, and another size: its id and size.
    other_size: RefCell<Option<(String, i64)>>,
}

impl Files {
    /// Reads every file once for each algorithm of the contract.
    pub fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            let (mut digests, mut size) = (Vec::new(), 0);
            for algorithm in ALGORITHMS {
                let (value, length) = hash_file(path, algorithm)?;
                size = length;
                digests.push((algorithm, value));
            }
            files.push(File {
                name: path.display().to_string(),
                size,
                digests,
                matched: Cell::new(false),
                other_size: RefCell::default(),
            });
        }
        Ok(Self(files))
    }

    /// Files that a statement names, each with the evidence's id.
    pub fn matches<'a>(&'a self, statement: &'a Statement) -> Vec<(&'a str, &'a str)> {
        let mut found = Vec::new();
        for reference in references(statement) {
            for file in self.0.iter().filter(|file| file.has_digest(reference)) {
                if u64::try_from(reference.size_bytes) == Ok(file.size) {
                    file.matched.set(true);
                    found.push((file.name.as_str(), reference.id.as_str()));
                } else {
                    let named = (reference.id.clone(), reference.size_bytes);
                    file.other_size.replace(Some(named));
                }
            }
        }
        found
    }

    /// Files that no statement named so far, each with why.
    pub fn unmatched(&self) -> Vec<(String, String)> {
        let unmatched = self.0.iter().filter(|file| !file.matched.get());
        unmatched
            .map(|file| (file.name.clone(), file.why_unmatched()))
            .collect()
    }
}

impl File {
    fn has_digest(&self, reference: &EvidenceReference) -> bool {
        reference.digest.as_ref().is_some_and(|digest| {
            let mut own = self.digests.iter();
            own.any(|(algorithm, value)| *algorithm == digest.algorithm() && *value == digest.value)
        })
    }

    fn why_unmatched(&self) -> String {
        match &*self.other_size.borrow() {
            Some((id, size)) => format!(
                "evidence {id} has its digest, but a size of {size} bytes; the file has {}",
                self.size
            ),
            None => "no statement names its digest".into(),
        }
    }
}

/// All evidence that a statement names.
fn references(statement: &Statement) -> &[EvidenceReference] {
    let report = match &statement.kind {
        Some(Kind::Report(r)) => r.report.as_ref(),
        Some(Kind::Amendment(a)) => a.report.as_ref(),
        Some(Kind::Corroboration(c)) => return &c.evidence,
        Some(Kind::EvidenceResponse(e)) => return &e.evidence,
        Some(Kind::Dispute(d)) => return &d.evidence,
        Some(Kind::Finding(f)) => return &f.evidence,
        _ => None,
    };
    report.map_or(&[], |report| &report.evidence)
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::{CaseReport, Digest, Report};

    use super::*;

    #[test]
    fn a_file_is_the_evidence_whose_digest_and_size_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let [good, other] = ["good", "other"].map(|name| {
            let path = dir.path().join(name);
            std::fs::write(&path, name).unwrap();
            path
        });
        let (value, _) = hash_file(&good, DigestAlgorithm::Sha384).unwrap();
        let reference = |size_bytes| EvidenceReference {
            id: "photo".into(),
            digest: Some(Digest {
                algorithm: DigestAlgorithm::Sha384 as i32,
                value: value.clone(),
            }),
            size_bytes,
            ..Default::default()
        };
        let statement = |size| Statement {
            kind: Some(Kind::Report(Report {
                report: Some(CaseReport {
                    evidence: vec![reference(size)],
                    ..Default::default()
                }),
            })),
            ..Default::default()
        };
        let files = Files::read(&[good, other.clone()]).unwrap();
        assert!(files.matches(&statement(5)).is_empty());
        let why: Vec<_> = files.unmatched().into_iter().map(|(_, why)| why).collect();
        let size = "evidence photo has its digest, but a size of 5 bytes; the file has 4";
        assert_eq!(why, [size, "no statement names its digest"]);
        assert_eq!(files.matches(&statement(4))[0].1, "photo");
        let unmatched: Vec<_> = files
            .unmatched()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(unmatched, [other.display().to_string()]);
    }
}
