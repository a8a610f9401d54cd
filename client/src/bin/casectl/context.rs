//! `casectl context`: which brokers and principals there are, and which is used.

use std::{fs, path::Path};

use clap::Subcommand;
use serde_json::json;

use crate::{
    Global,
    config::{Context as Values, Resolved},
    failure::{Exit, Failure, Result},
    output::{FAINT, Output},
    submit::replace_file,
    table::{Column, Layout},
};

/// List, show and choose contexts: which broker, as whom.
#[derive(Debug, Subcommand)]
pub enum Context {
    /// List all contexts; the one in use is marked
    #[command(after_help = "Examples:\n  casectl context list\n  casectl -o json context list")]
    List,
    /// Make a context the one in use, in the configuration file
    #[command(
        name = "use",
        after_help = "Examples:\n  casectl context use us-cbp-system\n  casectl --config demo/casectl.toml context use cn-nncc-officer"
    )]
    Use {
        /// Name of the context
        name: String,
    },
    /// Show a context with the command line's values over it
    #[command(
        after_help = "Examples:\n  casectl context show\n  casectl context show cn-nncc-officer"
    )]
    Show {
        /// Name of the context [default: the one in use]
        name: Option<String>,
    },
}

/// Runs the command.
pub fn run(args: Context, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    match args {
        Context::List => list(global, out),
        Context::Use { name } => choose(&name, global, out),
        Context::Show { name } => show(name, global, out),
    }
}

fn list(global: &Global, out: &mut Output) -> Result<()> {
    let file = global.config_file()?;
    let current = global.context.as_ref().or(file.current.as_ref());
    if out.is_json() {
        let contexts: Vec<_> = file
            .contexts
            .iter()
            .map(|(name, values)| json!({"name": name, "endpoint": values.endpoint, "current": Some(name) == current}))
            .collect();
        return out.document(&json!({ "contexts": contexts }));
    }
    let rows: Vec<_> = file
        .contexts
        .iter()
        .map(|(name, values)| {
            let mark = if Some(name) == current { "*" } else { "" };
            let endpoint = values.endpoint.clone().unwrap_or_default();
            let signs = if values.signing_key.is_some() {
                "yes"
            } else {
                "no"
            };
            vec![mark.into(), name.clone(), endpoint, signs.into()]
        })
        .collect();
    let columns = [
        Column::whole(""),
        Column::whole("CONTEXT"),
        Column::flexible("ENDPOINT", 20),
        Column::whole("SIGNS"),
    ];
    let layout = Layout::fit(&columns, &rows, out.width);
    let heading = out.paint(FAINT, layout.heading());
    out.line(heading)?;
    for row in &rows {
        out.line(layout.row(row))?;
    }
    Ok(())
}

fn choose(name: &str, global: &Global, out: &mut Output) -> Result<()> {
    let file = global.config_file()?;
    let (Some(path), _) = global.config_path() else {
        return Err(Failure::usage(
            "no configuration file is known",
            "Give --config FILE.",
        ));
    };
    if !file.contexts.contains_key(name) {
        let known: Vec<_> = file.contexts.keys().map(String::as_str).collect();
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no context `{name}` in {}", path.display()),
            format!("Contexts: {}.", known.join(", ")),
        ));
    }
    let text = fs::read_to_string(&path).map_err(|e| Failure::file(path.display(), &e))?;
    replace_file(&path, &with_current(&path, &text, name)?)?;
    if out.is_json() {
        return out.document(&json!({ "current": name }));
    }
    out.line(format_args!(
        "context {name} is in use now ({})",
        path.display()
    ))
}

/// The file's text with another current context; comments and order stay.
fn with_current(path: &Path, text: &str, name: &str) -> Result<String> {
    let mut document: toml_edit::DocumentMut =
        text.parse().map_err(|e: toml_edit::TomlError| {
            Failure::new(
                Exit::Invalid,
                format!("{}: {}", path.display(), e.message()),
                "Mend the file.",
            )
        })?;
    match document
        .get_mut("current")
        .and_then(|item| item.as_value_mut())
    {
        Some(value) => {
            let decor = value.decor().clone();
            *value = name.into();
            *value.decor_mut() = decor;
        }
        None => {
            document.insert("current", toml_edit::value(name));
        }
    }
    Ok(document.to_string())
}

fn show(name: Option<String>, global: &Global, out: &mut Output) -> Result<()> {
    let chosen = Global {
        context: name.or_else(|| global.context.clone()),
        config: global.config.clone(),
        endpoint: global.endpoint.clone(),
        ca: global.ca.clone(),
        cert: global.cert.clone(),
        key: global.key.clone(),
        purpose: global.purpose.clone(),
        purpose_reference: global.purpose_reference.clone(),
        ..Global::default()
    };
    let Resolved { name, context } = chosen.resolve()?;
    let Values {
        endpoint,
        ca,
        certificate,
        key,
        signing_certificate,
        signing_key,
        members,
        log_vkey,
        state,
        purpose,
        purpose_reference,
    } = context;
    let path = |p: Option<std::path::PathBuf>| p.map(|p| p.display().to_string());
    let values = [
        ("name", name),
        ("endpoint", endpoint),
        ("ca", path(ca)),
        ("certificate", path(certificate)),
        ("key", path(key)),
        ("signing_certificate", path(signing_certificate)),
        ("signing_key", path(signing_key)),
        ("members", path(members)),
        ("log_vkey", log_vkey),
        ("state", path(state)),
        ("purpose", purpose),
        ("purpose_reference", purpose_reference),
    ];
    if out.is_json() {
        let map: serde_json::Map<_, _> = values
            .into_iter()
            .map(|(k, v)| (k.into(), json!(v)))
            .collect();
        return out.document(&map.into());
    }
    for (key, value) in values {
        let label = out.paint(FAINT, format_args!("{key:20}"));
        out.line(format_args!(
            "{label}{}",
            value.unwrap_or_else(|| "-".into())
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choosing_a_context_keeps_everything_else_of_the_file() {
        let text = "# mine\ncurrent = \"a\" # now\n\n[contexts.a] # one\nendpoint = 'x'\n";
        let changed = with_current(Path::new("f"), text, "b").unwrap();
        assert_eq!(changed, text.replace("\"a\"", "\"b\""));
        let fresh = with_current(Path::new("f"), "[contexts.a]\n", "a").unwrap();
        assert!(toml_edit::DocumentMut::from_str_like(&fresh));
    }

    trait FromStrLike {
        fn from_str_like(text: &str) -> bool;
    }

    impl FromStrLike for toml_edit::DocumentMut {
        fn from_str_like(text: &str) -> bool {
            text.parse::<Self>()
                .is_ok_and(|d| d["current"].as_str() == Some("a"))
        }
    }
}
