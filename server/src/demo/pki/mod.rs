//! A development PKI: one authority an agency, one for the broker, and the configuration files that go with them.
//!
//! What it is for: trying the broker on one machine, and tests. What it promises: it overwrites nothing, and keys can be read by
//! their owner only. What it never does: make anything fit for production. There every agency makes its own keys, keeps
//! them to itself and hands over its anchor; here one program makes and sees all of them.

mod authority;
mod config;
mod files;
mod layout;
mod revoke;

use std::{
    fs::Permissions, io::Write as _, net::SocketAddr, os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, bail, ensure};
use casebroker_proto::{
    names::{AgencyName, PrincipalId, Role, SignerId, check_id},
    tlog::NoteSigner,
};

use self::{
    authority::{Authority, Leaf, Validity},
    config::Context,
};
pub use self::{
    config::set_address,
    layout::Layout,
    revoke::{RevokeArgs, Revoked, revoke_certificate},
};

/// Days that a principal's or the broker's certificate is valid.
const LEAF_DAYS: u32 = 90;
/// Days that a signing certificate is valid.
const SIGNER_DAYS: u32 = 365;
/// Name of the first signing key of an agency.
const FIRST_SIGNER: &str = "2026a";
/// Principals that every agency gets.
const PRINCIPALS: [(Role, &str); 4] = [
    (Role::System, "feed"),
    (Role::Officer, "liaison"),
    (Role::Auditor, "records"),
    (Role::Operator, "desk"),
];
/// Said whenever keys are made.
const WARNING: &str =
    "For development only, never for production: one program has made and seen every private key.";

/// Arguments of `casebroker pki init`.
#[derive(Debug, Clone, clap::Args)]
pub struct InitArgs {
    /// Directory to make it in; must not hold a PKI yet
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Agency to make keys for, such as us-cbp; may be repeated
    #[arg(long = "agency", value_name = "ID", default_values = ["us-cbp", "us-dea", "ca-rcmp", "cn-nncc"])]
    pub agencies: Vec<String>,
    /// Trust domain of the SPIFFE IDs, and first part of the log's origin
    #[arg(long, value_name = "NAME", default_value = "casebroker.example")]
    pub trust_domain: String,
    /// Address that the broker will listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7443")]
    pub listen: SocketAddr,
}

/// Arguments of `casebroker pki issue`.
#[derive(Debug, Clone, clap::Args)]
pub struct IssueArgs {
    /// Directory that `pki init` made
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Agency, such as us-cbp
    #[arg(long, value_name = "ID")]
    pub agency: String,
    /// system, officer, auditor or operator; or signer, to register another signing key
    #[arg(long)]
    pub role: String,
    /// Name of the workload, officer or signing key
    #[arg(long)]
    pub name: String,
    /// Days that it is valid [default: 90, for a signer 365]
    #[arg(long)]
    pub days: Option<u32>,
    /// Begin of validity in days from now; negative for the past
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub not_before_days: i32,
}

/// `casebroker pki init`: makes the PKI and says what was made.
pub fn init(args: &InitArgs) -> anyhow::Result<()> {
    let layout = create(args)?;
    let dir = layout.root().display();
    let mut out = anstream::stdout().lock();
    writeln!(out, "{WARNING}\n")?;
    writeln!(out, "made      {dir}/pki for {}", args.agencies.join(", "))?;
    writeln!(out, "start     casebroker serve --config {dir}/broker.toml")?;
    writeln!(out, "try       casectl --config {dir}/casectl.toml whoami")?;
    Ok(())
}

/// `casebroker pki issue`: makes one more certificate and says where it is.
pub fn issue(args: &IssueArgs) -> anyhow::Result<()> {
    let issued = issue_certificate(args)?;
    let mut out = anstream::stdout().lock();
    writeln!(out, "{WARNING}\n")?;
    writeln!(out, "certificate  {}", issued.certificate.display())?;
    writeln!(out, "key          {}", issued.key.display())?;
    if let Some(context) = &issued.context {
        writeln!(out, "context      {context}")?;
    }
    if let Some(registered) = &issued.registered {
        let registered = registered.display();
        writeln!(
            out,
            "registered   {registered} (a running broker notices it by itself)"
        )?;
    }
    Ok(())
}

/// `casebroker pki revoke`: revokes a certificate and says what follows.
pub fn revoke(args: &RevokeArgs) -> anyhow::Result<()> {
    let revoked = revoke_certificate(args)?;
    let mut out = anstream::stdout().lock();
    writeln!(out, "revoked      {}", revoked.serial)?;
    writeln!(
        out,
        "list         {} (number {}, {} revoked, next due {})",
        revoked.crl.display(),
        revoked.number,
        revoked.count,
        revoked.next_update.date()
    )?;
    writeln!(
        out,
        "A running broker notices within seconds. Revoke again before the list is due: an expired list refuses its agency."
    )?;
    Ok(())
}

/// Makes a PKI with its two configuration files. Fails if there is one already.
pub fn create(args: &InitArgs) -> anyhow::Result<Layout> {
    let layout = Layout::new(&args.dir);
    for path in [
        layout.pki().to_owned(),
        layout.broker_config(),
        layout.casectl_config(),
    ] {
        ensure!(
            !path.exists(),
            "{} exists: nothing is overwritten; choose another directory or delete it first",
            path.display()
        );
    }
    ensure!(!args.agencies.is_empty(), "at least one agency is needed");
    files::make_dir(&args.dir)?;
    // Made beside its place and then renamed, so that half a PKI never looks like a whole one.
    let scratch = tempfile::Builder::new()
        .prefix(".pki-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&args.dir)
        .with_context(|| format!("cannot write to {}", args.dir.display()))?;
    let unfinished = Layout::under_construction(&args.dir, scratch.path());
    create_broker(&unfinished, &args.trust_domain)?;
    for agency in &args.agencies {
        create_agency(&unfinished, &args.trust_domain, agency)?;
    }
    let casectl = contexts(args, &log_vkey(&unfinished)?)?;
    std::fs::rename(scratch.keep(), layout.pki())
        .with_context(|| format!("cannot make {}", layout.pki().display()))?;
    files::write_public(
        &layout.broker_config(),
        &config::broker_toml(&args.trust_domain, args.listen),
    )?;
    files::write_public(&layout.casectl_config(), &casectl)?;
    Ok(layout)
}

/// What `issue_certificate` made.
#[derive(Debug)]
pub struct Issued {
    /// Certificate, PEM.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Context in `casectl.toml`, for a principal.
    pub context: Option<String>,
    /// Where the broker reads it, for a signer.
    pub registered: Option<PathBuf>,
}

/// Makes one more certificate of an agency of the PKI.
pub fn issue_certificate(args: &IssueArgs) -> anyhow::Result<Issued> {
    let layout = Layout::new(&args.dir);
    let agency = args.agency.as_str();
    let anchor = layout.member(agency).join("anchor.pem");
    check_id(agency)?;
    check_id(&args.name).context("--name")?;
    ensure!(
        anchor.exists(),
        "{} holds no agency {agency}: there is no {}",
        args.dir.display(),
        anchor.display()
    );
    let authority = Authority::load(&anchor, &layout.agency(agency).join("ca.key"))?;
    let broker = config::read(&layout.broker_config())?;
    let text = |key: &str| broker.get(key).and_then(|item| item.as_str());
    let domain = text("trust_domain").context("broker.toml has no trust_domain")?;
    let validity = |days: u32| Validity {
        days: args.days.unwrap_or(days),
        not_before_days: args.not_before_days,
    };
    let (certificate, key) = layout.agency_pair(agency, &format!("{}-{}", args.role, args.name));
    if certificate.exists() || key.exists() {
        bail!("{} exists: nothing is overwritten", certificate.display());
    }
    if args.role == "signer" {
        let registered = layout.registered_signer(agency, &args.name);
        let id = signer_id(domain, agency, &args.name)?;
        let leaf = authority.signer(&id, validity(SIGNER_DAYS))?;
        files::write_public(&registered, &leaf.certificate_pem())?;
        leaf.save(&certificate, &key)?;
        return Ok(Issued {
            certificate,
            key,
            context: None,
            registered: Some(registered),
        });
    }
    let role: Role = args.role.parse().context("--role (or signer)")?;
    let id = principal_id(domain, agency, role, &args.name)?;
    authority
        .client(&id, validity(LEAF_DAYS))?
        .save(&certificate, &key)?;
    let listen = text("listen").context("broker.toml has no listen")?;
    let mut casectl = config::read(&layout.casectl_config())?;
    let context = config::add_context(
        &mut casectl,
        &Context {
            agency,
            role: role.as_str(),
            name: &args.name,
            signer: first_signer(role).as_deref(),
            endpoint: &config::endpoint(listen.parse().context("listen in broker.toml")?),
            log_vkey: &log_vkey(&layout)?,
        },
    )?;
    config::write(&layout.casectl_config(), &casectl)?;
    Ok(Issued {
        certificate,
        key,
        context: Some(context),
        registered: None,
    })
}

fn create_broker(layout: &Layout, trust_domain: &str) -> anyhow::Result<()> {
    let file = |name: &str| layout.broker_file(name);
    files::make_dir(&layout.pki().join("broker"))?;
    let authority = Authority::generate("casebroker development authority")?;
    authority.save(&file("ca.pem"), &file("ca.key"))?;
    authority
        .server(LEAF_DAYS)?
        .save(&file("server.pem"), &file("server.key"))?;
    let log = NoteSigner::generate(&format!("{trust_domain}/log"))?;
    files::write_secret(&file("log.key"), &log.private_key_text()?)?;
    files::write_public(&file("log.vkey"), &format!("{}\n", log.verifier()))
}

fn create_agency(layout: &Layout, trust_domain: &str, agency: &str) -> anyhow::Result<()> {
    AgencyName::from_id(agency).context("--agency")?;
    files::make_dir(&layout.member(agency).join("signers"))?;
    files::make_dir(&layout.agency(agency))?;
    let authority = Authority::generate(&format!("{agency} development authority"))?;
    let save = |leaf: &Leaf, stem: &str| {
        let (certificate, key) = layout.agency_pair(agency, stem);
        leaf.save(&certificate, &key)
    };
    authority.save(
        &layout.member(agency).join("anchor.pem"),
        &layout.agency(agency).join("ca.key"),
    )?;
    let validity = |days| Validity {
        days,
        not_before_days: 0,
    };
    for (role, name) in PRINCIPALS {
        let id = principal_id(trust_domain, agency, role, name)?;
        save(
            &authority.client(&id, validity(LEAF_DAYS))?,
            &format!("{role}-{name}"),
        )?;
    }
    let id = signer_id(trust_domain, agency, FIRST_SIGNER)?;
    let signer = authority.signer(&id, validity(SIGNER_DAYS))?;
    save(&signer, &format!("signer-{FIRST_SIGNER}"))?;
    files::write_public(
        &layout.registered_signer(agency, FIRST_SIGNER),
        &signer.certificate_pem(),
    )?;
    let mut member = toml_edit::DocumentMut::new();
    member.insert("display_name", toml_edit::value(display_name(agency)));
    files::write_public(
        &layout.member(agency).join("member.toml"),
        &member.to_string(),
    )
}

/// `casectl.toml` with one context a principal.
fn contexts(args: &InitArgs, log_vkey: &str) -> anyhow::Result<String> {
    let first = args.agencies.first().map_or("", String::as_str);
    let mut casectl = config::casectl_toml(&format!("{first}-system")).parse()?;
    for agency in &args.agencies {
        for (role, name) in PRINCIPALS {
            config::add_context(
                &mut casectl,
                &Context {
                    agency,
                    role: role.as_str(),
                    name,
                    signer: first_signer(role).as_deref(),
                    endpoint: &config::endpoint(args.listen),
                    log_vkey,
                },
            )?;
        }
    }
    Ok(casectl.to_string())
}

/// The log's public key, C2SP vkey.
pub fn log_vkey(layout: &Layout) -> anyhow::Result<String> {
    let path = layout.broker_file("log.vkey");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim_end().to_owned())
}

/// Only those who may submit get a signing key.
fn first_signer(role: Role) -> Option<String> {
    matches!(role, Role::System | Role::Officer).then(|| format!("signer-{FIRST_SIGNER}"))
}

/// The SPIFFE ID, checked by the rules that the broker applies.
fn principal_id(domain: &str, agency: &str, role: Role, name: &str) -> anyhow::Result<String> {
    let id: PrincipalId = format!("spiffe://{domain}/agency/{agency}/{role}/{name}")
        .parse()
        .context("the SPIFFE ID would not be valid")?;
    Ok(id.to_string())
}

fn signer_id(domain: &str, agency: &str, name: &str) -> anyhow::Result<String> {
    let id: SignerId = format!("spiffe://{domain}/agency/{agency}/signer/{name}")
        .parse()
        .context("the SPIFFE ID would not be valid")?;
    Ok(id.to_string())
}

fn display_name(agency: &str) -> &str {
    super::agencies::display_name(agency)
}

#[cfg(test)]
mod tests;
