//! The SDK: submits and reads cases at a Casebroker, and believes nothing that it can verify.
//!
//! What it is for: an agency's own system. It signs statements, makes request ids so that a retry is safe, keeps a
//! connection alive with deadlines and bounded retries, reads its own writes, and verifies receipts and checkpoints by
//! default when the profile knows the log's key. What it never does: send evidence (only digests), or repeat a call that
//! was refused for good.
//!
//! ```no_run
//! use casebroker_client::{Client, Profile};
//! use casebroker_proto::v1::{CaseReport, Report, Statement, statement::Kind};
//!
//! # async fn example(report: CaseReport) -> Result<(), casebroker_client::ClientError> {
//! let mut profile = Profile::new(
//!     "https://broker.example:7443",
//!     "pki/broker/ca.pem",
//!     "pki/agencies/us-cbp/system-feed.pem",
//!     "pki/agencies/us-cbp/system-feed.key",
//! );
//! profile.signing_certificate = Some("pki/agencies/us-cbp/signer-2026a.pem".into());
//! profile.signing_key = Some("pki/agencies/us-cbp/signer-2026a.key".into());
//! profile.log_vkey = Some("casebroker.example/log+12345678+AQ...".into());
//! profile.state_dir = Some("state".into());
//! let client = Client::connect(&profile)?;
//!
//! // Request id and time are filled in; sending the same `Prepared` twice records one statement.
//! let recorded = client
//!     .submit(Statement {
//!         case: report.name.clone(),
//!         kind: Some(Kind::Report(Report { report: Some(report) })),
//!         ..Default::default()
//!     })
//!     .await?;
//! println!("recorded at position {}", recorded.position);
//!
//! let case = client.get_case("agencies/us-cbp/cases/2016-0042").await?;
//! println!("{case:?}");
//! # Ok(())
//! # }
//! ```
//!
//! Many statements go through [`Client::submit_stream`]. What the broker has to tell comes through [`Client::subscriber`]. Without a network, [`Members`] and [`ProofFile`] check what
//! somebody else hands over.

use std::sync::Arc;

use casebroker_proto::statement::Signer;

mod access;
mod ask;
mod cases;
mod connection;
mod error;
mod log;
mod members;
mod profile;
mod proof;
mod proof_file;
mod purpose;
mod registry;
mod statistics;
mod stream;
mod submit;
mod subscriber;
mod subscriptions;
mod tasks;
mod trust;
mod waiting;
mod written;

pub use access::AccessPages;
pub use ask::Pages;
pub use casebroker_proto::purpose::{Purpose, PurposeError};
pub use cases::{CasePages, Order, StatementPages};
pub use error::{ClientError, Refusal};
pub use log::{SeenCheckpoint, SeenConsistency, SeenReceipt};
pub use members::{MemberError, Members, SignedBy};
pub use profile::{Profile, ProfileError, Timing, read_certificates, read_secret};
pub use proof::{LogBreach, ProofFailure};
pub use proof_file::{ProofFile, ProofFileError};
pub use stream::{Answers, Outcome, Submissions, Window};
pub use submit::{Prepared, Recorded, check, prepare};
pub use subscriber::{Deliveries, Flow, Handled, Link, Nack, Streamed, Subscriber};
pub use subscriptions::{DeadLetterPages, Start, SubscriptionPages};
pub use tasks::TaskPages;
pub use trust::{LogTrust, VerifiedCheckpoint, is_consistent};
pub use waiting::Waiting;

/// A connection to one broker as one principal. Cheap to clone; clones share the connection and what is known of the log.
#[derive(Debug, Clone)]
pub struct Client {
    connection: connection::Connection,
    signer: Option<Arc<Signer>>,
    trust: Option<Arc<LogTrust>>,
    /// How far this principal wrote: its reads see at least that.
    written: Arc<written::Written>,
}

impl Client {
    /// Reads the profile's files. Connects when first used. Must be called within a tokio runtime.
    pub fn connect(profile: &Profile) -> Result<Self, ClientError> {
        let trust = match &profile.log_vkey {
            Some(vkey) => Some(Arc::new(LogTrust::new(vkey, profile.state_dir.as_deref())?)),
            None => None,
        };
        let written = match (&trust, &profile.state_dir) {
            (None, Some(dir)) => written::Written::kept(dir, &profile.endpoint),
            _ => written::Written::here(),
        };
        Ok(Self {
            connection: connection::Connection::open(profile)?,
            signer: profile.signer()?.map(Arc::new),
            trust,
            written: Arc::new(written),
        })
    }

    /// What is believed and known of the log; none without its key in the profile.
    pub fn trust(&self) -> Option<&LogTrust> {
        self.trust.as_deref()
    }

    /// Address of the broker.
    pub fn endpoint(&self) -> &str {
        self.connection.endpoint()
    }

    /// The newest call that has no answer yet, of this client or a clone; what goes over a stream is not among them.
    pub fn waiting(&self) -> Option<Waiting> {
        self.connection.waiting()
    }
}
