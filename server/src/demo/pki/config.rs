//! The two configuration files that belong to a development PKI. Paths in them are relative to the file.

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;
use toml_edit::{DocumentMut, Item, Table, value};

use super::Layout;

/// Text of a new `broker.toml`.
pub(super) fn broker_toml(trust_domain: &str, listen: SocketAddr) -> String {
    format!(
        r#"# Development only. Every option is described by `casebroker config example`.
listen = "{listen}"
trust_domain = "{trust_domain}"
data_dir = "data"
members_dir = "pki/members"

[tls]
certificate = "pki/broker/server.pem"
key = "pki/broker/server.key"

[log]
origin = "{trust_domain}/log"
key = "pki/broker/log.key"
"#
    )
}

/// Text of a new `casectl.toml` without contexts.
pub(super) fn casectl_toml(current: &str) -> String {
    format!("# Development only. Use with `casectl --config`.\ncurrent = \"{current}\"\n")
}

/// One context of `casectl.toml`.
pub(super) struct Context<'a> {
    pub agency: &'a str,
    pub role: &'a str,
    pub name: &'a str,
    /// Stem of the signing key's files, for those who sign.
    pub signer: Option<&'a str>,
    pub endpoint: &'a str,
    /// The log's public key, C2SP vkey.
    pub log_vkey: &'a str,
}

/// Adds a context and answers with the name that it got: the first of `<agency>-<role>`, `<agency>-<name>` and
/// `<agency>-<role>-<name>` that is free.
pub(super) fn add_context(casectl: &mut DocumentMut, context: &Context) -> anyhow::Result<String> {
    let Context {
        agency, role, name, ..
    } = context;
    let contexts = casectl
        .entry("contexts")
        .or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        })
        .as_table_mut()
        .context("`contexts` in casectl.toml is not a table")?;
    let key = [
        format!("{agency}-{role}"),
        format!("{agency}-{name}"),
        format!("{agency}-{role}-{name}"),
    ]
    .into_iter()
    .find(|key| !contexts.contains_key(key))
    .with_context(|| format!("casectl.toml has contexts for {agency} {role} {name} already"))?;
    let own = format!("pki/agencies/{agency}");
    let mut table = Table::new();
    let mut set = |key: &str, text: String| table.insert(key, value(text));
    set("endpoint", context.endpoint.into());
    set("ca", "pki/broker/ca.pem".into());
    set("certificate", format!("{own}/{role}-{name}.pem"));
    set("key", format!("{own}/{role}-{name}.key"));
    if let Some(signer) = context.signer {
        set("signing_certificate", format!("{own}/{signer}.pem"));
        set("signing_key", format!("{own}/{signer}.key"));
    }
    set("members", "pki/members".into());
    set("log_vkey", context.log_vkey.into());
    // What casectl remembers of this log goes away with the directory.
    set("state", "casectl-state".into());
    contexts.insert(&key, Item::Table(table));
    Ok(key)
}

/// Address that a client on this machine uses for a listener.
pub(super) fn endpoint(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        format!("https://localhost:{}", listen.port())
    } else {
        format!("https://{listen}")
    }
}

/// Reads a TOML file for editing; comments and order survive.
pub(super) fn read(path: &Path) -> anyhow::Result<DocumentMut> {
    std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .parse()
        .with_context(|| format!("{} is not TOML", path.display()))
}

/// Writes an edited file over the old one.
pub(super) fn write(path: &Path, document: &DocumentMut) -> anyhow::Result<()> {
    std::fs::write(path, document.to_string())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Makes the broker listen on `address` from its next start and every context use it.
pub fn set_address(layout: &Layout, address: SocketAddr) -> anyhow::Result<()> {
    let mut broker = read(&layout.broker_config())?;
    broker.insert("listen", value(address.to_string()));
    write(&layout.broker_config(), &broker)?;
    let mut casectl = read(&layout.casectl_config())?;
    let contexts = casectl.get_mut("contexts").and_then(Item::as_table_mut);
    for (_, context) in contexts.into_iter().flat_map(|t| t.iter_mut()) {
        if let Some(table) = context.as_table_mut() {
            table.insert("endpoint", value(endpoint(address)));
        }
    }
    write(&layout.casectl_config(), &casectl)
}
