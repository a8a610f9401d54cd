//! Contexts: which broker, as whom. Read from `casectl.toml`, overridden by the command line.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use casebroker_client::{Profile, Purpose, PurposeError};
use serde::Deserialize;

use crate::{
    Global,
    failure::{Exit, Failure, Result},
};

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Context used when none is named.
    pub current: Option<String>,
    /// Contexts by name.
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

/// One context. Relative paths are relative to the file's folder.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// `https://host:port`.
    pub endpoint: Option<String>,
    /// Certificates that the broker's must chain to, PEM.
    pub ca: Option<PathBuf>,
    /// Client certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// Certificate that statements are signed under, PEM.
    pub signing_certificate: Option<PathBuf>,
    /// Its private key, PKCS#8 PEM.
    pub signing_key: Option<PathBuf>,
    /// Folder with `<agency>/anchor.pem` and `<agency>/signers/*.pem`.
    pub members: Option<PathBuf>,
    /// Public key of the log, a C2SP vkey.
    pub log_vkey: Option<String>,
    /// Folder where verified checkpoints are remembered.
    pub state: Option<PathBuf>,
    /// Why cases are read: a code that the broker knows.
    pub purpose: Option<String>,
    /// Case number or legal basis that goes with it.
    pub purpose_reference: Option<String>,
}

/// A context after all is taken together.
#[derive(Debug)]
pub struct Resolved {
    /// Name, if it came from the file.
    pub name: Option<String>,
    /// Its values, paths absolute or relative to the working folder.
    pub context: Context,
}

impl Global {
    /// The options that say which broker and as whom, for a command line that does the same again. What the environment says is left
    /// to it.
    pub fn given(&self) -> Vec<String> {
        let text = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        let from_environment =
            |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
        let options = [
            ("--context", "CASECTL_CONTEXT", self.context.clone()),
            ("--config", "CASECTL_CONFIG", text(&self.config)),
            ("--endpoint", "", self.endpoint.clone()),
            ("--ca", "", text(&self.ca)),
            ("--cert", "", text(&self.cert)),
            ("--key", "", text(&self.key)),
        ];
        let given = options.into_iter().filter_map(|(option, variable, value)| {
            let value = value.filter(|value| !from_environment(variable, value))?;
            Some([option.to_owned(), value])
        });
        given.flatten().collect()
    }

    /// Path of the configuration file and whether it was asked for.
    pub fn config_path(&self) -> (Option<PathBuf>, bool) {
        match &self.config {
            Some(path) => (Some(path.clone()), true),
            None => (default_path(), false),
        }
    }

    /// Reads the configuration file; an empty one if there is none and none was asked for.
    pub fn config_file(&self) -> Result<File> {
        let (Some(path), asked_for) = self.config_path() else {
            return Ok(File::default());
        };
        match fs::read_to_string(&path) {
            Ok(text) => parse(&path, &text),
            Err(e) if e.kind() == io::ErrorKind::NotFound && !asked_for => Ok(File::default()),
            Err(e) => Err(Failure::usage(
                format!("{}: {e}", path.display()),
                "Check --config and CASECTL_CONFIG.",
            )),
        }
    }

    /// The context to use: the one named, or the current one, with the command line's values over it.
    pub fn resolve(&self) -> Result<Resolved> {
        let file = self.config_file()?;
        let name = self.context.clone().or(file.current.clone());
        let mut context = match &name {
            Some(name) => file.contexts.get(name).cloned().ok_or_else(|| {
                let known: Vec<_> = file.contexts.keys().map(String::as_str).collect();
                Failure::usage(
                    format!("there is no context `{name}`"),
                    match known.is_empty() {
                        true => self.how_to_begin(),
                        false => format!("Contexts: {}.", known.join(", ")),
                    },
                )
            })?,
            None => Context::default(),
        };
        let folder = self
            .config_path()
            .0
            .and_then(|path| path.parent().map(Path::to_owned));
        if let Some(folder) = folder {
            context.relative_to(&folder);
        }
        let over = |value: &mut Option<PathBuf>, given: &Option<PathBuf>| {
            if given.is_some() {
                value.clone_from(given);
            }
        };
        if self.endpoint.is_some() {
            context.endpoint.clone_from(&self.endpoint);
        }
        over(&mut context.ca, &self.ca);
        over(&mut context.certificate, &self.cert);
        over(&mut context.key, &self.key);
        if self.purpose.is_some() {
            context.purpose.clone_from(&self.purpose);
        }
        if self.purpose_reference.is_some() {
            context
                .purpose_reference
                .clone_from(&self.purpose_reference);
        }
        Ok(Resolved { name, context })
    }

    /// The profile to connect with.
    pub fn profile(&self) -> Result<Profile> {
        let Resolved { name, context } = self.resolve()?;
        let missing = |what: &str| {
            let next = match &name {
                Some(name) => {
                    format!("Add it to [contexts.{name}], or give it on the command line.")
                }
                None => self.how_to_begin(),
            };
            Failure::usage(format!("no {what} is known"), next)
        };
        let mut profile = Profile::new(
            context.endpoint.ok_or_else(|| missing("endpoint"))?,
            context.ca.ok_or_else(|| missing("ca"))?,
            context.certificate.ok_or_else(|| missing("certificate"))?,
            context.key.ok_or_else(|| missing("key"))?,
        );
        profile.signing_certificate = context.signing_certificate;
        profile.signing_key = context.signing_key;
        profile.members = context.members;
        profile.log_vkey = context.log_vkey;
        profile.state_dir = context.state.or_else(default_state);
        profile.purpose = Purpose::new(
            context.purpose.as_deref(),
            context.purpose_reference.as_deref(),
        )
        .map_err(|e| {
            let (what, option) = match e {
                PurposeError::Reference => ("purpose reference", "--purpose-reference"),
                _ => ("purpose", "--purpose"),
            };
            let next = format!("Give {option}, or set it in the context.");
            Failure::usage(format!("{what} {e}"), next)
        })?;
        if let Some(attempts) = self.attempts {
            profile.timing.attempts = attempts;
        }
        Ok(profile)
    }

    fn how_to_begin(&self) -> String {
        let path = self.config_path().0;
        let path = path.map_or("casectl.toml".into(), |path| path.display().to_string());
        format!("Give --config FILE, or write {path}; `casectl cheat contexts` shows one.")
    }
}

impl Context {
    fn relative_to(&mut self, folder: &Path) {
        for path in [
            &mut self.ca,
            &mut self.certificate,
            &mut self.key,
            &mut self.signing_certificate,
            &mut self.signing_key,
            &mut self.members,
            &mut self.state,
        ]
        .into_iter()
        .flatten()
        {
            // Joining an absolute path gives that path.
            *path = folder.join(&*path);
        }
    }
}

fn parse(path: &Path, text: &str) -> Result<File> {
    toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(at).filter(|b| *b == b'\n').count();
        let message = e.message().trim().replace('\n', " ");
        Failure::new(
            Exit::Invalid,
            format!("{}:{line}: {message}", path.display()),
            "Mend that line; `casectl cheat contexts` shows every key.",
        )
    })
}

fn default_path() -> Option<PathBuf> {
    Some(folder("XDG_CONFIG_HOME", ".config")?.join("casectl/config.toml"))
}

fn default_state() -> Option<PathBuf> {
    Some(folder("XDG_STATE_HOME", ".local/state")?.join("casectl"))
}

/// A folder of the XDG Base Directory Specification; relative values are to be ignored, it says.
fn folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
current = "a"
[contexts.a]
endpoint = "https://127.0.0.1:7443"
ca = "pki/ca.pem"
certificate = "/abs/cert.pem"
key = "k"
[contexts.b]
endpoint = "https://b:1"
"#;

    fn global(config: &Path) -> Global {
        Global {
            config: Some(config.into()),
            ..Global::default()
        }
    }

    #[test]
    fn the_command_line_goes_over_the_context_and_the_context_over_the_current_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("casectl.toml");
        fs::write(&path, GOOD).unwrap();
        let mut global = global(&path);
        let profile = global.profile().unwrap();
        assert_eq!(profile.ca, dir.path().join("pki/ca.pem"));
        assert_eq!(profile.certificate, Path::new("/abs/cert.pem"));
        global.ca = Some("other.pem".into());
        assert_eq!(global.profile().unwrap().ca, Path::new("other.pem"));
        global.context = Some("b".into());
        let failure = global.profile().unwrap_err();
        assert!(failure.what.contains("certificate") && failure.next.contains("contexts.b"));
        global.context = Some("c".into());
        let failure = global.profile().unwrap_err();
        assert!(failure.exit == Exit::Usage && failure.next.contains("a, b"));
    }

    #[test]
    fn a_purpose_comes_from_the_context_or_the_command_line_and_must_be_a_known_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("casectl.toml");
        let text = GOOD.replace("key = \"k\"", "key = \"k\"\npurpose = \"statistics\"");
        fs::write(&path, text).unwrap();
        let mut global = global(&path);
        let code = |global: &Global| global.profile().unwrap().purpose.unwrap();
        assert_eq!(code(&global).code(), "statistics");
        global.purpose = Some("audit".into());
        global.purpose_reference = Some("2026/7".into());
        let purpose = code(&global);
        assert_eq!((purpose.code(), purpose.reference()), ("audit", "2026/7"));
        global.purpose = Some("curiosity".into());
        let failure = global.profile().unwrap_err();
        assert!(failure.exit == Exit::Usage && failure.what.contains("investigation"));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = GOOD.replace("ca = ", "cert = ");
        let failure = parse(Path::new("x.toml"), &text).unwrap_err();
        assert!(
            failure.what.starts_with("x.toml:5: unknown field `cert`"),
            "{}",
            failure.what
        );
        assert_eq!(failure.exit, Exit::Invalid);
    }
}
