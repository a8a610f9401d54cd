//! A connection that is made when first used, comes back by itself, and repeats what can be repeated.
//!
//! Everything the contract offers can be repeated: reads change nothing, and a submission carries its request id. So every
//! call is tried again when the connection fails or the broker asks for it, within bounds of count and time. ABORTED is
//! never repeated here: it means that the caller decided on an older state and must decide anew.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use aws_lc_rs::rand;
use tonic::{
    Response, Status,
    service::interceptor::InterceptedService,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    error::{ClientError, Failure},
    profile::{Profile, ProfileError, Timing},
    purpose::Said,
    waiting::{Board, Waiting},
};

/// What stubs call through.
pub(crate) type Transport = InterceptedService<Channel, Said>;

/// Largest answer that is taken, in bytes: a page of cases is the largest.
pub(crate) const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A channel to one broker, shared by all calls. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    channel: Transport,
    endpoint: String,
    timing: Timing,
    board: Board,
}

impl Connection {
    /// Reads the files and prepares the channel. Nothing is sent yet. Must be called within a tokio runtime.
    pub(crate) fn open(profile: &Profile) -> Result<Self, ClientError> {
        let bad = || ProfileError::Endpoint(profile.endpoint.clone());
        if !profile.endpoint.starts_with("https://") {
            return Err(bad().into());
        }
        let files = profile.tls_files()?;
        // The transport takes a copy of the key and drops it, without clearing it, once it is loaded.
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(files.ca))
            .identity(Identity::from_pem(files.certificate, &*files.key));
        let tls_error = |e: tonic::transport::Error| ProfileError::Content {
            what: "client certificate and key",
            path: profile.certificate.clone(),
            why: innermost(&e),
        };
        let channel = Endpoint::from_shared(profile.endpoint.clone())
            .map_err(|_| bad())?
            .connect_timeout(profile.timing.connect_timeout)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024)
            .user_agent(concat!("casebroker-client/", env!("CARGO_PKG_VERSION")))
            .map_err(tls_error)?
            .tls_config(tls)
            .map_err(tls_error)?
            .connect_lazy();
        let said = Said::new(profile.purpose.as_ref());
        Ok(Self {
            channel: InterceptedService::new(channel, said),
            endpoint: profile.endpoint.clone(),
            timing: profile.timing,
            board: Board::default(),
        })
    }

    pub(crate) fn waiting(&self) -> Option<Waiting> {
        self.board.read()
    }

    pub(crate) fn channel(&self) -> Transport {
        self.channel.clone()
    }

    pub(crate) fn timing(&self) -> &Timing {
        &self.timing
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes a unary call, again if need be. `call` is given the channel and the attempt's deadline.
    pub(crate) async fn call<T, F, Fut>(&self, mut call: F) -> Result<T, ClientError>
    where
        F: FnMut(Transport) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let mut retries = Retries::new(self.timing);
        let posted = self.board.begin(self.timing.attempts);
        loop {
            let attempt = tokio::time::timeout(self.timing.call_timeout, call(self.channel()));
            let failure = match attempt.await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => Failure::from_status(status),
                Err(_) => Failure::Broken(no_answer(self.timing.call_timeout)),
            };
            match retries.wait_for(&failure) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(failure.into_error(&self.endpoint, retries.failed)),
            }
            posted.again();
        }
    }
}

/// What to say when a deadline passed.
pub(crate) fn no_answer(after: Duration) -> String {
    format!("no answer within {} s", after.as_secs_f32())
}

/// Counts failed attempts and says how long to wait before the next.
#[derive(Debug)]
pub(crate) struct Retries {
    timing: Timing,
    started: Instant,
    /// Attempts that failed so far.
    pub(crate) failed: u32,
}

impl Retries {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing,
            started: Instant::now(),
            failed: 0,
        }
    }

    /// Something worked: count and clock begin anew.
    pub(crate) fn reset(&mut self) {
        self.started = Instant::now();
        self.failed = 0;
    }

    /// Counts a failure. None when another attempt cannot help or would be beyond the bounds.
    pub(crate) fn wait_for(&mut self, failure: &Failure) -> Option<Duration> {
        self.failed += 1;
        let at_least = failure.retry()?;
        if self.failed >= self.timing.attempts {
            return None;
        }
        let doublings = (self.failed - 1).min(16);
        let ceiling = self
            .timing
            .first_wait
            .saturating_mul(1 << doublings)
            .min(self.timing.longest_wait);
        // Half fixed, half random: clients that failed together must not come back together.
        let wait = at_least + ceiling / 2 + (ceiling / 2).mul_f64(random_fraction());
        (self.started.elapsed() + wait <= self.timing.total).then_some(wait)
    }
}

fn random_fraction() -> f64 {
    let mut byte = [0];
    match rand::fill(&mut byte) {
        Ok(()) => f64::from(u8::from_le_bytes(byte)) / 256.0,
        Err(_) => 0.5,
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;

    fn refused(code: tonic::Code, retry_after: Option<Duration>) -> Failure {
        let mut refusal = Refusal::from_status(&Status::new(code, "no"));
        refusal.retry_after = retry_after;
        Failure::Refused(refusal)
    }

    #[test]
    fn waits_grow_and_end_with_the_count() {
        let timing = Timing::default();
        let mut retries = Retries::new(timing);
        let failure = Failure::Broken("gone".into());
        let waits: Vec<_> = std::iter::from_fn(|| retries.wait_for(&failure)).collect();
        assert_eq!(waits.len(), timing.attempts as usize - 1);
        for (i, wait) in waits.iter().enumerate() {
            let ceiling = timing.first_wait * (1 << i);
            assert!(*wait >= ceiling / 2 && *wait <= ceiling, "{i}: {wait:?}");
        }
        assert_eq!(retries.failed, timing.attempts);
    }

    #[test]
    fn the_brokers_delay_is_honoured_and_the_total_bounds_it() {
        let mut retries = Retries::new(Timing::default());
        let second = Duration::from_secs(1);
        let full = refused(tonic::Code::ResourceExhausted, Some(second));
        assert!(retries.wait_for(&full).unwrap() >= second);
        let hour = refused(tonic::Code::Unavailable, Some(Duration::from_secs(3600)));
        assert_eq!(retries.wait_for(&hour), None);
    }

    #[test]
    fn a_projection_that_is_behind_is_asked_again_within_the_usual_bounds() {
        let mut details = tonic_types::ErrorDetails::new();
        details.set_error_info("PROJECTION_BEHIND", casebroker_proto::errors::DOMAIN, []);
        let status = <Status as tonic_types::StatusExt>::with_error_details(
            tonic::Code::Unavailable,
            "the table has followed 7 of 9 entries",
            details,
        );
        let failure = Failure::from_status(status);
        let timing = Timing::default();
        let mut retries = Retries::new(timing);
        let waits = std::iter::from_fn(|| retries.wait_for(&failure)).count();
        assert_eq!(waits, timing.attempts as usize - 1);
        let error = failure.into_error("https://b:1", retries.failed);
        assert_eq!(error.reason(), Some("PROJECTION_BEHIND"));
    }

    #[test]
    fn refusals_that_are_final_are_not_repeated() {
        for code in [
            tonic::Code::Aborted,
            tonic::Code::AlreadyExists,
            tonic::Code::InvalidArgument,
            tonic::Code::PermissionDenied,
        ] {
            let mut retries = Retries::new(Timing::default());
            assert_eq!(retries.wait_for(&refused(code, None)), None);
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable_after_the_attempts_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap();
        let (pem, key_pem) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
        std::fs::write(&pem, certificate.pem()).unwrap();
        std::fs::write(&key_pem, key.serialize_pem()).unwrap();
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&key_pem, own).unwrap();
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .unwrap()
            .port();
        let mut profile = Profile::new(format!("https://127.0.0.1:{port}"), &pem, &pem, &key_pem);
        profile.timing.attempts = 2;
        profile.timing.first_wait = Duration::from_millis(1);
        let connection = Connection::open(&profile).unwrap();
        let answer = connection
            .call(|channel| async move {
                casebroker_proto::v1::registry_service_client::RegistryServiceClient::new(channel)
                    .get_caller(casebroker_proto::v1::GetCallerRequest {})
                    .await
            })
            .await;
        match answer.unwrap_err() {
            ClientError::Unreachable {
                attempts: 2, cause, ..
            } => {
                assert!(cause.contains("refused"), "{cause}");
            }
            other => panic!("{other:?}"),
        }
        profile.endpoint = "http://127.0.0.1:1".into();
        assert!(matches!(
            Connection::open(&profile),
            Err(ClientError::Profile(ProfileError::Endpoint(_)))
        ));
    }
}
