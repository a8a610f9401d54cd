//! Page tokens (AIP-158): where the next page begins, bound to the request and the caller.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use casebroker_proto::errors::Reason;
use tonic::Status;

use super::status;

/// Where the next page of a listing begins, in so many numbers as the listing needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<const N: usize>(pub(super) [u64; N]);

impl<const N: usize> Token<N> {
    pub(super) fn seal(self, key: &[u8; 8]) -> String {
        let mut bytes = Vec::with_capacity(N * 8 + 8);
        for number in self.0 {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn open(text: &str, key: &[u8; 8]) -> Result<Option<Self>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let (parts, rest) = bytes.as_chunks::<8>();
        let numbers = parts.split_last().filter(|(bound, _)| *bound == key);
        let numbers = numbers.map(|(_, numbers)| numbers.iter().map(|n| u64::from_be_bytes(*n)));
        let numbers = numbers.map(Iterator::collect::<Vec<_>>);
        match numbers.and_then(|numbers| <[u64; N]>::try_from(numbers).ok()) {
            Some(numbers) if rest.is_empty() => Ok(Some(Self(numbers))),
            _ => Err(status::refuse(
                Reason::PageTokenInvalid,
                "page_token: not a token of this listing",
            )),
        }
    }
}

/// What a token is bound to: everything that makes it another listing.
pub(super) fn binding(parts: &[&[u8]]) -> [u8; 8] {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    let mut key = [0; 8];
    for (to, from) in key.iter_mut().zip(digest(&SHA256, &all).as_ref()) {
        *to = *from;
    }
    key
}

/// A page size as asked for: 0 means the default.
pub(super) fn page_size(asked: i32, default: usize) -> Result<usize, Status> {
    /// Largest page.
    const MAX_PAGE: i32 = 1_000;
    match asked {
        0 => Ok(default),
        1..=MAX_PAGE => Ok(usize::try_from(asked).unwrap_or(default)),
        _ => Err(status::invalid_field(
            "page_size",
            format!("is {asked}; must be 0 to {MAX_PAGE}"),
        )),
    }
}
