//! `casectl whoami`: who this certificate says I am, and who the broker thinks I am.

use casebroker_client::{Client, ProfileError};
use casebroker_proto::{json, names::PrincipalId, statement::single_uri, v1::GetCallerResponse};
use clap::Args;
use prost_types::Timestamp;
use serde_json::{Value, json as object};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{
    Global,
    failure::{Exit, Failure, Result},
    output::{BAD, FAINT, GOOD, Output},
    patience, words,
};

/// Show agency, role, serial and expiry of my certificate, and how the broker sees me.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl whoami
  casectl whoami --local          without asking the broker
  casectl -o json --context cn-nncc-officer whoami")]
pub struct Whoami {
    /// Do not ask the broker
    #[arg(long)]
    local: bool,
}

/// What the certificate says.
struct Certificate {
    principal: PrincipalId,
    serial: String,
    not_after: i64,
}

/// Runs the command.
pub async fn run(args: Whoami, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let profile = global.profile()?;
    let der = profile.certificate_der()?;
    let certificate = read(&der).map_err(|why| {
        Failure::from(ProfileError::Content {
            what: "client certificate",
            path: profile.certificate.clone(),
            why,
        })
    })?;
    if !out.is_json() {
        local_part(&certificate, &profile.endpoint, out)?;
        out.flush()?;
    }
    let caller = match args.local {
        true => None,
        false => {
            let client = Client::connect(&profile)?;
            patience::watch(&client);
            Some(client.caller().await?)
        }
    };
    if out.is_json() {
        return out.document(&as_json(&certificate, &profile.endpoint, caller.as_ref())?);
    }
    match caller {
        Some(caller) => broker_part(&caller, profile.log_vkey.as_deref(), out),
        None => Ok(()),
    }
}

fn read(der: &[u8]) -> std::result::Result<Certificate, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|e| e.to_string())?;
    let uri = single_uri(&certificate).map_err(|e| e.to_string())?;
    Ok(Certificate {
        principal: uri
            .parse()
            .map_err(|e: casebroker_proto::names::NameError| e.to_string())?,
        serial: hex::encode(certificate.raw_serial()),
        not_after: certificate.validity().not_after.timestamp(),
    })
}

fn local_part(certificate: &Certificate, endpoint: &str, out: &mut Output) -> Result<()> {
    let Certificate {
        principal,
        serial,
        not_after,
    } = certificate;
    let days = (not_after - time::OffsetDateTime::now_utc().unix_timestamp()).div_euclid(86_400);
    let expiry = words::minute(Some(&Timestamp {
        seconds: *not_after,
        nanos: 0,
    }));
    let expiry = match days {
        ..0 => out.paint(BAD, format_args!("{expiry} (expired)")),
        0..14 => out.paint(BAD, format_args!("{expiry} (in {days} days)")),
        _ => format!("{expiry} (in {days} days)"),
    };
    field("agency", principal.agency.id(), out)?;
    field("role", principal.role, out)?;
    field("name", &principal.name, out)?;
    field("principal", principal, out)?;
    field("serial", serial, out)?;
    field("expires", expiry, out)?;
    field("endpoint", endpoint, out)
}

fn broker_part(caller: &GetCallerResponse, vkey: Option<&str>, out: &mut Output) -> Result<()> {
    field(
        "broker",
        format_args!("casebroker {}", caller.broker_version),
        out,
    )?;
    field("connection", connection(caller), out)?;
    field("log", &caller.log_origin, out)?;
    let trusted = match vkey {
        Some(vkey) if vkey == caller.log_vkey => out.paint(GOOD, "the key of the context"),
        Some(_) => {
            return Err(Failure::new(
                Exit::Unproven,
                format!(
                    "the broker's log has the key {}, the context trusts another",
                    caller.log_vkey
                ),
                "Check log_vkey with the operator by another way than this connection.",
            ));
        }
        None => format!(
            "{} (not in the context, so nothing is verified)",
            caller.log_vkey
        ),
    };
    field("log key", trusted, out)
}

/// Version, key exchange group and cipher suite, in the order in which they are agreed on.
fn connection(caller: &GetCallerResponse) -> String {
    match caller.tls.split_once(' ') {
        // An older broker does not say the group.
        Some((version, suite)) if !caller.tls_group.is_empty() => {
            format!("{version} {} {suite}", caller.tls_group)
        }
        _ => caller.tls.clone(),
    }
}

fn field(name: &str, value: impl std::fmt::Display, out: &mut Output) -> Result<()> {
    let label = out.paint(FAINT, format_args!("{name:12}"));
    out.line(format_args!("{label}{value}"))
}

fn as_json(
    certificate: &Certificate,
    endpoint: &str,
    caller: Option<&GetCallerResponse>,
) -> Result<Value> {
    let Certificate {
        principal,
        serial,
        not_after,
    } = certificate;
    let caller = caller
        .map(|caller| json::to_value("casebroker.v1.GetCallerResponse", caller))
        .transpose()
        .map_err(casebroker_client::ClientError::from)?;
    Ok(object!({
        "principal": principal.to_string(),
        "agency": principal.agency.to_string(),
        "role": principal.role.as_str(),
        "name": principal.name,
        "certificateSerial": serial,
        "certificateExpireTime": words::rfc3339(&Timestamp { seconds: *not_after, nanos: 0 }),
        "endpoint": endpoint,
        "caller": caller,
    }))
}
