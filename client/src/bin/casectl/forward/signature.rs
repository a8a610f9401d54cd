//! Signatures of requests as Standard Webhooks has them: HMAC-SHA-256 over id, time and body.

use std::path::Path;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casebroker_client::read_secret;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure, Result};

/// Most secrets: the old one and the new one.
const MOST: usize = 2;

/// The secrets that requests are signed with.
#[derive(Debug)]
pub struct Secrets(Vec<hmac::Key>);

impl Secrets {
    /// Reads the file, which nobody else may read: a secret a line, `whsec_` and Base64 of 24 to 64 bytes.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_secret("secret", path)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Option<Vec<_>> = lines.map(key).collect();
        match keys {
            Some(keys) if (1..=MOST).contains(&keys.len()) => Ok(Self(keys)),
            _ => Err(Failure::new(
                Exit::Invalid,
                format!("{}: this is no secret", path.display()),
                "One or two lines: whsec_ and 24 to 64 bytes in Base64. Make one: echo whsec_$(openssl rand -base64 32)",
            )),
        }
    }

    /// The headers of a request; the time is in seconds since the Unix epoch.
    pub fn sign(&self, id: &str, now: u64, body: &[u8]) -> [(&'static str, String); 3] {
        let signed = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{now}.").as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        let signatures: Vec<_> = self.0.iter().map(signed).collect();
        [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ]
    }
}

fn key(line: &str) -> Option<hmac::Key> {
    let secret = STANDARD
        .decode(line.strip_prefix("whsec_")?)
        .ok()
        .map(Zeroizing::new)?;
    let is_long_enough = (24..=64).contains(&secret.len());
    is_long_enough.then(|| hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook.secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        // The example of the Standard Webhooks libraries.
        let (_dir, path) = file("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0o600);
        let secrets = Secrets::read(&path).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let [_, time, signature] = secrets.sign(id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(time, ("webhook-timestamp", "1614265330".into()));
        assert_eq!(
            signature.1,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn two_secrets_sign_both_and_what_is_none_is_refused() {
        let one = format!("whsec_{}", STANDARD.encode([1; 24]));
        let two = format!("whsec_{}", STANDARD.encode([2; 64]));
        let (_dir, path) = file(&format!("{one}\n\n{two}\n"), 0o640);
        let [_, _, (_, signature)] = Secrets::read(&path).unwrap().sign("a", 1, b"{}");
        assert_eq!(signature.split(' ').count(), 2);
        for bad in ["", "hello", "whsec_AAAA", &STANDARD.encode([1; 32])] {
            let (_dir, path) = file(bad, 0o600);
            assert_eq!(
                Secrets::read(&path).unwrap_err().exit,
                Exit::Invalid,
                "{bad}"
            );
        }
        let (_dir, path) = file(&one, 0o644);
        assert!(Secrets::read(&path).unwrap_err().what.contains("chmod"));
    }
}
