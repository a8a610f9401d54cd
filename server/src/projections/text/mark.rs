//! How far a commit is, and in which history: the payload that tantivy keeps with each.

/// Of the form of the payload and of the tokens. Raise it whenever either changes: an index of another form is made again.
const FORM: &str = "casebroker-text/1";

/// What a commit is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Everything before this position is in it.
    pub(super) position: u64,
    /// Root of the log over everything before it (RFC 6962).
    pub(super) root: [u8; 32],
    /// Documents that it has.
    pub(super) documents: u64,
}

impl Mark {
    /// As text, with a checksum: the file that it stands in has none.
    pub(super) fn to_payload(self) -> String {
        let Self {
            position,
            root,
            documents,
        } = self;
        let text = format!("{FORM} {position} {} {documents}", hex::encode(root));
        format!("{text} {:08x}", crc32c::crc32c(text.as_bytes()))
    }

    /// From text; `None` if it has another form or was damaged.
    pub(super) fn from_payload(payload: &str) -> Option<Self> {
        let fields: Vec<_> = payload.split(' ').collect();
        let [FORM, position, root, documents, _] = fields[..] else {
            return None;
        };
        let mut mark = Self {
            position: position.parse().ok()?,
            documents: documents.parse().ok()?,
            ..Self::default()
        };
        hex::decode_to_slice(root, &mut mark.root).ok()?;
        (mark.to_payload() == payload).then_some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_and_one_with_another_byte_does_not() {
        let mark = Mark {
            position: 1_234,
            root: [0xab; 32],
            documents: 1_000,
        };
        let payload = mark.to_payload();
        assert_eq!(Mark::from_payload(&payload), Some(mark));
        for at in 0..payload.len() {
            let mut other = payload.clone().into_bytes();
            other[at] ^= 1;
            let other = String::from_utf8(other).unwrap();
            assert_eq!(Mark::from_payload(&other), None, "{other}");
            assert_eq!(Mark::from_payload(&payload[..at]), None);
        }
        assert_eq!(Mark::from_payload(&format!("{payload} ")), None);
    }
}
