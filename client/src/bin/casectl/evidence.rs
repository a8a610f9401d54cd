//! `casectl evidence`: digests of evidence files. The files stay where they are.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casebroker_proto::v1::{DigestAlgorithm, EvidenceKind};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::{
    choice::choice,
    failure::{Exit, Failure, Result},
    output::{Format, Output},
    progress::Progress,
};

/// Work on evidence files; their contents are never sent.
#[derive(Debug, Subcommand)]
pub enum Evidence {
    Hash(Hash),
}

/// Print files as evidence references: digest and size, ready to paste into a case.
#[derive(Debug, Args)]
#[command(after_help = "\
The references are JSON in every format; kind and custodian, if not given, are to be filled in. The file itself is never sent.

Examples:
  casectl evidence hash lab-report.pdf
  casectl evidence hash --kind lab-report --custodian 'Evidence room' lab-report.pdf > lab.json
  casectl evidence hash --algorithm sha512 photos/*.jpg
  casectl -o jsonl evidence hash *.pdf | jq .digest.value")]
pub struct Hash {
    /// Files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Digest algorithm
    #[arg(long, default_value = "sha256")]
    algorithm: Algorithm,
    /// Kind of evidence that the files are, such as lab-report [default: left to be filled in]
    #[arg(long, value_parser = choice("casebroker.v1.EvidenceKind"))]
    kind: Option<i32>,
    /// Agency or unit that holds them [default: left to be filled in]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    custodian: String,
}

/// Digest algorithms of the contract.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

/// Runs the command.
pub fn run(Evidence::Hash(args): Evidence, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let algorithm = match args.algorithm {
        Algorithm::Sha256 => DigestAlgorithm::Sha256,
        Algorithm::Sha384 => DigestAlgorithm::Sha384,
        Algorithm::Sha512 => DigestAlgorithm::Sha512,
    };
    let kind = EvidenceKind::try_from(args.kind.unwrap_or_default()).unwrap_or_default();
    let mut references = Vec::new();
    for file in &args.files {
        let (value, size) = hash_file(file, algorithm)?;
        if size == 0 {
            return Err(Failure::new(
                Exit::Invalid,
                format!("{} is empty", file.display()),
                "An evidence reference needs a size over 0; leave the file out.",
            ));
        }
        let mut reference = reference(file, algorithm, &value, size);
        if let Some(map) = reference.as_object_mut() {
            map.insert("kind".into(), kind.as_str_name().into());
            map.insert("custodian".into(), args.custodian.as_str().into());
        }
        match out.format {
            Format::Jsonl => out.line(reference)?,
            _ => references.push(reference),
        }
    }
    match out.format {
        Format::Jsonl => Ok(()),
        _ => {
            let list = Value::Array(references);
            out.line(format_args!("{list:#}"))
        }
    }
}

/// Digest and size of a file, read as a stream.
pub fn hash_file(path: &Path, algorithm: DigestAlgorithm) -> Result<(Vec<u8>, u64)> {
    let algorithm = match algorithm {
        DigestAlgorithm::Sha384 => &digest::SHA384,
        DigestAlgorithm::Sha512 => &digest::SHA512,
        DigestAlgorithm::Sha256 | DigestAlgorithm::Unspecified => &digest::SHA256,
    };
    let failed = |e| Failure::file(path.display(), &e);
    let mut file = File::open(path).map_err(failed)?;
    let size = file.seek(std::io::SeekFrom::End(0)).ok();
    if size.is_some() {
        file.rewind().map_err(failed)?;
    }
    let bar = Progress::new(path.display().to_string(), size);
    let mut context = digest::Context::new(algorithm);
    let (mut buffer, mut total) = (vec![0; 1 << 20], 0_u64);
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        context.update(chunk);
        total += read as u64;
        bar.read(total);
    }
    bar.finish();
    Ok((context.finish().as_ref().to_vec(), total))
}

fn reference(path: &Path, algorithm: DigestAlgorithm, value: &[u8], size: u64) -> Value {
    let mut map = json!({
        "id": id(path),
        "kind": "EVIDENCE_KIND_UNSPECIFIED",
        "digest": {"algorithm": algorithm.as_str_name(), "value": STANDARD.encode(value)},
        "sizeBytes": size.to_string(),
        "custodian": "",
        "description": path.file_name().unwrap_or_default().to_string_lossy(),
    });
    if let (Some(media_type), Some(map)) = (media_type(path), map.as_object_mut()) {
        map.insert("mediaType".into(), media_type.into());
    }
    map
}

/// An evidence id from a file's name: what an id may not contain becomes one hyphen.
fn id(path: &Path) -> String {
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let words: Vec<_> = stem
        .split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .collect();
    let id: String = words.join("-").chars().take(63).collect();
    match id.trim_end_matches('-') {
        "" => "evidence-1".into(),
        id => id.into(),
    }
}

/// Media types of the files that evidence usually is; none for others, since it is optional and must not be guessed.
fn media_type(path: &Path) -> Option<&'static str> {
    Some(
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "pdf" => "application/pdf",
            "jpg" | "jpeg" => "image/jpeg",
            "png" => "image/png",
            "tif" | "tiff" => "image/tiff",
            "mp4" => "video/mp4",
            "txt" => "text/plain",
            "csv" => "text/csv",
            "json" => "application/json",
            "xml" => "application/xml",
            "zip" => "application/zip",
            _ => return None,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_the_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let (value, size) = hash_file(&path, DigestAlgorithm::Sha256).unwrap();
        assert_eq!(size, 3);
        assert!(hex::encode(value).starts_with("ba7816bf8f01cfea"));
    }

    #[test]
    fn ids_are_made_valid() {
        for (name, expected) in [
            ("Lab Report (1).pdf", "lab-report-1"),
            ("--.jpg", "evidence-1"),
            ("证据.pdf", "evidence-1"),
        ] {
            assert_eq!(id(Path::new(name)), expected);
        }
        assert_eq!(id(Path::new(&"a".repeat(100))).len(), 63);
    }
}
