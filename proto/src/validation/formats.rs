//! Formats of single values: names, ids, codes, addresses.

use super::{
    checker::{Checker, Path, shown},
    limits,
};
use crate::{
    catalogue::{
        chemistry::{check_cas, is_inchikey},
        countries,
    },
    names::check_id,
};

impl Checker {
    /// `agencies/{agency}/cases/{case}`, required. False if it was refused.
    pub(super) fn case_name(&mut self, at: &Path<'_>, name: &str) -> bool {
        if name.is_empty() {
            self.missing(at);
            return false;
        }
        let ids = name
            .strip_prefix("agencies/")
            .and_then(|rest| rest.split_once("/cases/"));
        let good =
            ids.is_some_and(|(agency, case)| check_id(agency).is_ok() && check_id(case).is_ok());
        if !good {
            self.refuse(at, || {
                format!(
                    "is {}; it must be agencies/{{agency}}/cases/{{case}} with ids of 1 to 63 characters of a-z, 0-9 and `-`, \
                     beginning and ending with a letter or digit",
                    shown(name)
                )
            });
        }
        good
    }

    /// `agencies/{agency}` or `groups/{group}`, required.
    pub(super) fn audience_name(&mut self, at: &Path<'_>, name: &str) {
        match name.strip_prefix("groups/") {
            Some(id) if check_id(id).is_ok() => {}
            Some(_) => self.refuse(at, || {
                format!(
                    "is {}; it must be groups/{{group}} with an id of 1 to 63 characters of a-z, 0-9 and `-`, beginning and \
                     ending with a letter or digit",
                    shown(name)
                )
            }),
            None => self.agency_name(at, name),
        }
    }

    /// `agencies/{agency}`, required.
    pub(super) fn agency_name(&mut self, at: &Path<'_>, name: &str) {
        if name.is_empty() {
            return self.missing(at);
        }
        let id = name.strip_prefix("agencies/");
        if id.is_none_or(|id| check_id(id).is_err()) {
            self.refuse(at, || {
                format!(
                    "is {}; it must be agencies/{{agency}} with an id of 1 to 63 characters of a-z, 0-9 and `-`, beginning and \
                     ending with a letter or digit",
                    shown(name)
                )
            });
        }
    }

    /// An id within a case, required.
    pub(super) fn id(&mut self, at: &Path<'_>, id: &str) {
        if id.is_empty() {
            return self.missing(at);
        }
        if check_id(id).is_err() {
            self.refuse(at, || {
                format!(
                    "is {}; it must be 1 to 63 characters of a-z, 0-9 and `-`, beginning and ending with a letter or digit",
                    shown(id)
                )
            });
        }
    }

    /// A request id, required: a UUID in the one spelling that lets equal ids be equal texts.
    pub(super) fn request_id(&mut self, at: &Path<'_>, id: &str) {
        if id.is_empty() {
            return self.missing(at);
        }
        let canonical = id.len() == 36
            && id.bytes().enumerate().all(|(i, b)| match i {
                8 | 13 | 18 | 23 => b == b'-',
                _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
            });
        if !canonical {
            self.refuse(at, || {
                format!(
                    "is {}; it must be a UUID in its 36-character form in lower case, such as \
                     2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c11",
                    shown(id)
                )
            });
        }
    }

    /// An ISO 3166-1 alpha-2 code, required.
    pub(crate) fn required_country(&mut self, at: &Path<'_>, code: &str) {
        match code {
            "" => self.missing(at),
            _ => self.optional_country(at, code),
        }
    }

    /// An ISO 3166-1 alpha-2 code, if given.
    pub(super) fn optional_country(&mut self, at: &Path<'_>, code: &str) {
        if code.is_empty() || countries::country(code).is_some() {
            return;
        }
        self.refuse(at, || {
            let meant = countries::suggest(code)
                .map(|c| format!("; did you mean {} ({})?", c.code, c.name));
            format!(
                "is {}, which is not an assigned ISO 3166-1 alpha-2 code in upper case{}",
                shown(code),
                meant.unwrap_or_default()
            )
        });
    }

    /// An ISO 3166-2 code within `country`, if given.
    pub(super) fn subdivision(&mut self, at: &Path<'_>, country: &str, code: &str) {
        if code.is_empty() {
            return;
        }
        if countries::subdivision(code).is_none() {
            self.refuse(at, || {
                let meant = countries::suggest_subdivision(country, code)
                    .map(|s| format!("; did you mean {} ({})?", s.code, s.name));
                format!(
                    "is {}, which is not an ISO 3166-2 code, such as US-TX{}",
                    shown(code),
                    meant.unwrap_or_default()
                )
            });
        } else if countries::country_of(code) != Some(country) {
            self.refuse(at, || {
                format!(
                    "is {code}, which does not lie in the country given, {}",
                    shown(country)
                )
            });
        }
    }

    /// A CAS registry number, if given.
    pub(super) fn cas_number(&mut self, at: &Path<'_>, number: &str) {
        if !number.is_empty()
            && let Err(e) = check_cas(number)
        {
            self.refuse(at, || format!("is {}; {e}", shown(number)));
        }
    }

    /// An InChIKey, if given.
    pub(super) fn inchikey(&mut self, at: &Path<'_>, key: &str) {
        if !key.is_empty() && !is_inchikey(key) {
            self.refuse(at, || {
                format!(
                    "is {}; an InChIKey is 14 upper-case letters, `-`, 8 letters, `SA` or `NA`, `-` and one letter, such as \
                     YDSDEBIZUNNPOB-UHFFFAOYSA-N",
                    shown(key)
                )
            });
        }
    }

    /// `type/subtype` without parameters (RFC 6838, section 4.2), if given.
    pub(super) fn media_type(&mut self, at: &Path<'_>, media_type: &str) {
        let good = media_type.is_empty()
            || media_type
                .split_once('/')
                .is_some_and(|(kind, subtype)| is_media_part(kind) && is_media_part(subtype));
        if !good {
            self.refuse(at, || {
                format!(
                    "is {}; it must be a media type without parameters, such as application/pdf",
                    shown(media_type)
                )
            });
        }
    }

    /// An absolute `http` or `https` address (RFC 3986), if given.
    pub(super) fn uri(&mut self, at: &Path<'_>, uri: &str) {
        if uri.is_empty() {
            return;
        }
        let count = uri.chars().count();
        if count > limits::URI {
            self.refuse(at, || {
                format!(
                    "has {count} characters; at most {} are allowed",
                    limits::URI
                )
            });
        } else if !is_web_address(uri) {
            self.refuse(at, || {
                format!(
                    "is {}; it must begin with http:// or https:// and a host, without user information, other characters than \
                     those of RFC 3986 percent-encoded",
                    shown(uri)
                )
            });
        }
    }
}

/// A restricted name of RFC 6838.
fn is_media_part(part: &str) -> bool {
    part.len() <= limits::MEDIA_TYPE_PART
        && part
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
}

fn is_web_address(uri: &str) -> bool {
    let Some(rest) = uri
        .strip_prefix("https://")
        .or_else(|| uri.strip_prefix("http://"))
    else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // User information before a host can make an address look like another's.
    let host_given =
        !authority.is_empty() && !authority.starts_with(':') && !authority.contains('@');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let encoded =
        |escape: &str| escape.len() >= 2 && escape.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    host_given && rest.bytes().all(allowed) && rest.split('%').skip(1).all(encoded)
}
