//! Who is calling, and whose signature it is.
//!
//! What it is for: TLS 1.3 connections whose client certificate names exactly one principal, and the signing certificates
//! that are registered for each member. What it promises: a certificate speaks for an agency only if it chains to the anchor
//! configured for *that* agency, and no certificate in the chain is revoked or expired; a connection ends when that is not so any
//! more; handshakes are bounded in number and time; sessions are never resumed. What it never does: decide what a principal
//! may see or do (`policy`), read a statement (`intake`), or let half-written files change anything.
//!
//! Only this room names rustls.

mod anchor;
mod crl;
mod faults;
mod files;
mod groups;
mod guard;
mod listener;
mod members;
mod opening;
mod private_key;
mod registry;
mod reload;
mod tls;
mod trust;
mod verifier;
mod watched;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use casebroker_proto::names::PrincipalId;

pub use crl::Crl;
pub use faults::Fault;
pub(crate) use files::refuse_world_readable;
pub use groups::Group;
pub use listener::{Connection, Listener};
pub use members::{Member, Members, RegisteredSigner};
pub use registry::Registry;
pub use reload::{Apply, Reload, ReloadCounts};
pub use tls::{ServerCertificate, ServerIdentity};
pub use watched::Watched;

/// Who is calling: read from the client certificate at the handshake, the same for every call on the connection.
#[derive(Debug, Clone)]
pub struct Caller(Arc<CallerDetails>);

/// What the handshake told.
#[derive(Debug)]
pub struct CallerDetails {
    /// SPIFFE ID.
    pub principal: PrincipalId,
    /// The same as text, as entries record it.
    pub principal_text: String,
    /// Serial number of the certificate, lower-case hexadecimal.
    pub serial: String,
    /// TLS version and cipher suite, such as `TLS1.3 TLS_AES_256_GCM_SHA384`.
    pub tls: String,
    /// Key exchange group, such as `X25519MLKEM768`, by its name in the IANA registry of TLS supported groups.
    pub tls_group: &'static str,
    /// Address of the peer.
    pub peer: SocketAddr,
}

impl std::ops::Deref for Caller {
    type Target = CallerDetails;

    fn deref(&self) -> &CallerDetails {
        &self.0
    }
}

/// Why identity could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("{}: {source}; check the path in the configuration and the file's permissions", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what is expected.
        problem: String,
    },
    /// TLS refused the broker's own certificate and key.
    #[error("the broker's certificate and key do not work together: {0}")]
    Tls(#[from] rustls::Error),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; choose another `listen` address or stop what holds it"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}
