//! `casectl verify`: what a receipt claims, checked without a network.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casebroker_client::{LogTrust, Members, ProofFile, ProofFileError, read_certificates};
use casebroker_proto::{
    entry::check_entry,
    names::PrincipalId,
    statement::{Content, single_uri},
    v1::{Entry, RegistryUpdate},
};
use clap::Args;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{
    Global,
    case::kind_word,
    failure::{Exit, Failure, Result},
    input::Source,
    output::Output,
    submit::history::{FORM, Header, Line, LineKind, line_kind},
    table::clean,
    words,
};

mod files;
mod tally;

use files::Files;
use tally::Tally;

/// Check receipts without a network: log, signature, evidence files.
#[derive(Debug, Args)]
#[command(after_help = "\
Checked are, for each receipt: that the entry is in the log (inclusion proof and the checkpoint's signature, by log_vkey or
--log-key); that an agency signed the statement (its certificate in the members folder, and that certificate's chain to the
agency's anchor, at the time it was recorded); that the entry is one that a broker records, by who may make such a statement; and, with --evidence, that each file has a digest that the statement names.

Exit status: 0 everything holds; 7 something does not, and it is named.

Examples:
  casectl verify case.json.receipts.jsonl
  casectl verify us-cbp.2016-0042.17.tlog-proof --evidence lab-report.pdf waybill.jpg
  casectl log receipt 17 | casectl verify -
  casectl verify receipt.tlog-proof --log-key \"$(cat log.vkey)\" --members pki/members")]
pub struct Verify {
    /// Receipts: .tlog-proof files with their entry, or the JSONL that `submit` keeps. `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Public key of the log, a C2SP vkey, or a file that holds it [default: log_vkey of the context]
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// Folder of the members' anchors and signing certificates [default: members of the context]
    #[arg(long, value_name = "DIR")]
    members: Option<PathBuf>,
    /// Trust domain of the members' SPIFFE IDs [default: that of the context's own certificate]
    #[arg(long, value_name = "DOMAIN")]
    trust_domain: Option<String>,
    /// Evidence files whose digests the statements must name
    #[arg(long, value_name = "FILE", num_args = 1..)]
    evidence: Vec<PathBuf>,
}

/// What receipts are checked with.
struct Checker {
    /// Key of the log, as text.
    vkey: String,
    trust: LogTrust,
    members: Option<Members>,
    files: Files,
}

/// What was found out about one receipt.
struct Verdict {
    position: u64,
    case: String,
    value: Value,
    /// What does not hold, each named.
    failed: Vec<String>,
    lines: Vec<String>,
    /// Kind, agency and time in a line.
    summary: String,
    /// One of many: a line is enough while all holds.
    brief: bool,
}

/// Runs the command.
pub fn run(args: Verify, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let checker = checker(&args, global)?;
    if checker.members.is_none() {
        out.note("casectl: signatures are not checked, since there is no members folder; give --members DIR");
    }
    let mut tally = Tally::begin(out)?;
    for file in &args.files {
        let source = Source::new(file);
        let end = check_file(&source, &checker, &mut tally, out);
        if end.is_err() {
            tally.end(&[], out)?;
        }
        end?;
    }
    let unmatched = checker.files.unmatched();
    tally.end(&unmatched, out)?;
    match tally.failed + unmatched.len() as u64 {
        0 => Ok(()),
        _ => Err(Failure::quiet(Exit::Unproven)),
    }
}

fn checker(args: &Verify, global: &Global) -> Result<Checker> {
    // Without a configuration --log-key is enough.
    let context = match (global.resolve(), &args.log_key) {
        (Ok(resolved), _) => resolved.context,
        (Err(_), Some(_)) => Default::default(),
        (Err(failure), None) => return Err(failure),
    };
    let vkey = match &args.log_key {
        Some(key) if Path::new(key).is_file() => {
            fs::read_to_string(key).map_err(|e| Failure::file(key, &e))?.trim().to_owned()
        }
        Some(key) => key.clone(),
        None => context.log_vkey.ok_or_else(|| {
            Failure::usage(
                "no public key of the log is known",
                "Give --log-key KEY, or add log_vkey to the context. Get it from the operator, not from who sent the receipt.",
            )
        })?,
    };
    let members = args.members.as_ref().or(context.members.as_ref());
    let mut members = members.map(|folder| Members::load(folder)).transpose()?;
    let domain = match &args.trust_domain {
        Some(domain) => Some(domain.as_str().into()),
        None => own_trust_domain(context.certificate.as_deref())?,
    };
    if let Some(domain) = domain {
        members = members.map(|members| members.with_trust_domain(domain));
    }
    Ok(Checker {
        vkey: vkey.clone(),
        trust: LogTrust::new(&vkey, None)?,
        members,
        files: Files::read(&args.evidence)?,
    })
}

/// Trust domain of the context's client certificate; `None` if there is none to read.
fn own_trust_domain(certificate: Option<&Path>) -> Result<Option<Box<str>>> {
    let Some(path) = certificate.filter(|path| path.exists()) else {
        return Ok(None);
    };
    let chain = read_certificates("client certificate", path)?;
    let id = chain.first().and_then(|der| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        single_uri(&certificate).ok()?.parse::<PrincipalId>().ok()
    });
    Ok(id.map(|id| id.trust_domain))
}

/// One receipt a file, or one a line.
fn check_file(
    source: &Source,
    checker: &Checker,
    tally: &mut Tally,
    out: &mut Output,
) -> Result<()> {
    let name = source.name();
    let mut reader = BufReader::new(source.open()?);
    let failed = |e| Failure::file(&name, &e);
    let is_lines = reader.fill_buf().map_err(failed)?.first() == Some(&b'{');
    if !is_lines {
        let mut text = String::new();
        // Longer than any receipt: then it is none.
        reader
            .take(4 << 20)
            .read_to_string(&mut text)
            .map_err(failed)?;
        let verdict = match text.parse::<ProofFile>() {
            Ok(proof) => checker.check(&proof),
            Err(error) => unreadable(&error),
        };
        return tally.tell(&name, verdict, out);
    }
    let mut found = false;
    for (number, line) in reader.split(b'\n').enumerate() {
        let line = line.map_err(failed)?;
        let place = format!("{name}:{}", number + 1);
        match line_kind(&line) {
            LineKind::Header(header) => {
                if let Err(what) = checker.check_header(header.as_deref()) {
                    tally.tell(&place, broken(what), out)?;
                }
                continue;
            }
            LineKind::End => continue,
            LineKind::Receipt if line.iter().all(u8::is_ascii_whitespace) => continue,
            LineKind::Receipt => {}
        }
        found = true;
        let verdict = match read_line(&line) {
            Ok((said, proof)) => checker.check_line(&said, &proof),
            Err(what) => broken(what),
        };
        tally.tell(&place, verdict, out)?;
    }
    if found {
        return Ok(());
    }
    // Nothing that does not hold is not the same as something that holds.
    tally.tell(&name, broken("the file holds no receipt".into()), out)
}

fn read_line(line: &[u8]) -> std::result::Result<(Line, ProofFile), String> {
    let said: Line = serde_json::from_slice(line)
        .map_err(|e| format!("this is no line of a receipts file: {e}"))?;
    let entry = STANDARD
        .decode(&said.entry)
        .map_err(|_| "the entry is not base64".to_owned())?;
    let proof = ProofFile::new(&said.receipt, entry).map_err(|e| e.to_string())?;
    Ok((said, proof))
}

impl Checker {
    fn check_line(&self, said: &Line, proof: &ProofFile) -> Verdict {
        let mut verdict = self.check(proof);
        verdict.brief = true;
        // What is written beside the receipt is for convenience, and must not say something else.
        let of_entry = |key: &str| verdict.value.get(key).and_then(Value::as_str);
        let beside = [
            (
                "position",
                Some(said.position.as_str()),
                of_entry("position"),
            ),
            (
                "case",
                Some(said.case.as_str()),
                Some(verdict.case.as_str()),
            ),
            (
                "requestId",
                Some(said.request_id.as_str()),
                of_entry("requestId"),
            ),
            (
                "recordTime",
                said.record_time.as_deref(),
                of_entry("recordTime"),
            ),
        ];
        let differs = beside.iter().filter(|(_, said, entry)| said != entry);
        let differs: Vec<_> = differs
            .map(|(name, said, entry)| {
                format!(
                    "{name} beside the receipt is `{}`; the entry says `{}`",
                    clean(said.unwrap_or("nothing")),
                    entry.unwrap_or("nothing")
                )
            })
            .collect();
        verdict.failed.extend(differs);
        verdict
    }

    /// Checks the header of a run: that its receipts are of the log whose key is trusted.
    fn check_header(&self, header: Option<&Header>) -> std::result::Result<(), String> {
        let Some(header) = header else {
            return Err("this begins like a header of a receipts file and is none".into());
        };
        if header.form != FORM {
            return Err(format!(
                "the file's form is `{}`; this program reads {FORM}",
                clean(&header.form)
            ));
        }
        if header.log != self.vkey {
            return Err(format!(
                "the header names the log `{}`; the trusted one is `{}`",
                clean(&header.log),
                self.vkey
            ));
        }
        Ok(())
    }

    fn check(&self, proof: &ProofFile) -> Verdict {
        let position = proof.receipt.index;
        let mut verdict = Verdict {
            position,
            case: String::new(),
            value: json!({"position": position.to_string()}),
            failed: Vec::new(),
            lines: Vec::new(),
            summary: String::new(),
            brief: false,
        };
        match self
            .trust
            .verify_receipt(&proof.receipt.to_string(), &proof.entry, position)
        {
            Ok(seen) => verdict.holds(
                "log",
                format!("in the log, tree size {}", seen.checkpoint.size),
            ),
            Err(e) => verdict.fails("log", e.to_string()),
        }
        let (entry, statement) = match check_entry(&proof.entry) {
            Ok((entry, Content::Statement(content))) => (entry, content.1),
            Ok((entry, Content::RegistryUpdate(update))) => {
                verdict.registry_update(&entry, &update);
                return verdict;
            }
            Err(e) => {
                verdict.fails("entry", e.to_string());
                return verdict;
            }
        };
        verdict.case.clone_from(&statement.case);
        let time = entry.record_time.as_ref().map(words::rfc3339);
        let kind = kind_word(statement.kind.as_ref());
        verdict.put("case", json!(statement.case));
        verdict.put("kind", json!(kind));
        verdict.put("recordTime", json!(time));
        verdict.put("requestId", json!(statement.request_id));
        verdict.put("principal", json!(entry.principal));
        let minute = words::minute(entry.record_time.as_ref());
        let principal = clean(&entry.principal);
        let by = entry.principal.parse::<PrincipalId>();
        let by = by.map_or(principal.clone(), |p| p.agency.id().to_owned());
        verdict.summary = format!("{kind} by {by}, recorded {minute} UTC");
        let line = format!("{kind} by {principal}, recorded {minute} UTC");
        verdict.lines.insert(0, line);
        match self
            .members
            .as_ref()
            .map(|members| members.verify(&proof.entry))
        {
            Some(Ok(signed)) => {
                verdict.holds("signature", format!("signed by {}", signed.signer));
                verdict.put("signer", json!(signed.signer.to_string()));
            }
            Some(Err(e)) => verdict.fails("signature", e.to_string()),
            None => verdict.put("signature", json!("not checked")),
        }
        let matches = self.files.matches(&statement);
        for (file, id) in &matches {
            verdict.lines.push(format!("{file} is evidence {id}"));
        }
        let matches = matches
            .iter()
            .map(|(file, id)| json!({"file": file, "id": id}));
        verdict.put("evidence", matches.collect());
        verdict
    }
}

impl Verdict {
    /// The broker records its registry by itself: there is no agency's signature to check.
    fn registry_update(&mut self, entry: &Entry, update: &RegistryUpdate) {
        let time = entry.record_time.as_ref().map(words::rfc3339);
        let minute = words::minute(entry.record_time.as_ref());
        let changed: Vec<_> = update.changes.iter().map(words::registry_change).collect();
        self.put("kind", json!("registry update"));
        self.put("recordTime", json!(time));
        self.put("changes", json!(changed));
        self.summary = format!("update of the registry, recorded {minute} UTC");
        self.lines.insert(0, self.summary.clone());
        self.lines.extend(changed);
    }

    fn put(&mut self, key: &str, value: Value) {
        if let Some(map) = self.value.as_object_mut() {
            map.insert(key.into(), value);
        }
    }

    fn holds(&mut self, what: &str, how: String) {
        self.put(what, json!("verified"));
        self.lines.push(how);
    }

    fn fails(&mut self, what: &str, why: String) {
        self.put(what, json!("failed"));
        self.failed.push(why);
    }
}

fn unreadable(error: &ProofFileError) -> Verdict {
    broken(match error {
        ProofFileError::NoEntry => {
            "the receipt holds no entry; `casectl log receipt POSITION` gets one that does".into()
        }
        error => error.to_string(),
    })
}

fn broken(what: String) -> Verdict {
    Verdict {
        position: 0,
        case: String::new(),
        value: json!({}),
        failed: vec![what],
        lines: Vec::new(),
        summary: String::new(),
        brief: false,
    }
}
