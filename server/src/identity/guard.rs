//! A connection lives only as long as its handshake would succeed again: revoked, removed or expired, it ends.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::{sync::watch, time::sleep};
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::AbortOnDropHandle,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{
    Caller, Members, Registry,
    trust::{Trust, moment},
};

/// Longest time without a look at the clock: it may be set, and the machine may have slept.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What was in force when a handshake began. Taken before it, so that no change during the handshake is missed.
pub(super) struct Before {
    registry: Arc<Registry>,
    generation: watch::Receiver<u64>,
    members: Arc<Members>,
    time: SystemTime,
}

impl Before {
    pub(super) fn handshake(registry: &Arc<Registry>) -> Self {
        Self {
            generation: registry.generation(),
            members: registry.current(),
            time: SystemTime::now(),
            registry: Arc::clone(registry),
        }
    }
}

/// Held by a connection, asked at each of its reads and writes.
pub(super) struct Guard {
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    over: bool,
    _watch: AbortOnDropHandle<()>,
}

impl Guard {
    /// Begins to watch over a connection with this certificate chain, leaf first.
    pub(super) fn start(
        before: Before,
        caller: &Caller,
        chain: Vec<CertificateDer<'static>>,
    ) -> Self {
        let token = CancellationToken::new();
        let ended = Box::pin(token.clone().cancelled_owned());
        let caller = caller.clone();
        let watch = tokio::spawn(async move {
            let why = until_refused(before, &caller, &chain).await;
            let (principal, serial, peer) = (&caller.principal_text, &caller.serial, caller.peer);
            tracing::warn!(principal, serial, %peer, why, "connection closed: its certificate is not let in any more");
            token.cancel();
        });
        Self {
            ended,
            over: false,
            _watch: AbortOnDropHandle::new(watch),
        }
    }

    /// An error once the connection must end; else the task is woken when it must. One task polls a connection, as HTTP/2
    /// does: only the last one that asked is woken.
    pub(super) fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.over && self.ended.as_mut().poll(cx) == Poll::Pending {
            return Ok(());
        }
        self.over = true;
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the client certificate is not let in any more",
        ))
    }
}

/// Waits until the members in force would not let this chain in, and says why.
async fn until_refused(
    before: Before,
    caller: &Caller,
    chain: &[CertificateDer<'static>],
) -> String {
    let Before {
        registry,
        mut generation,
        members,
        time: mut checked_at,
    } = before;
    let Some((end_entity, intermediates)) = chain.split_first() else {
        return "it showed no certificate".into();
    };
    let agency = &caller.principal.agency;
    let ends: Vec<_> = chain.iter().filter_map(end_of_validity).collect();
    let mut checked: Option<Arc<Trust>> = members.trust(agency).cloned();
    drop(members);
    loop {
        let trust = registry.current().trust(agency).cloned();
        let list = trust.and_then(|trust| trust.next_expiry(checked_at));
        let ends = ends.iter().copied().filter(|end| *end > checked_at);
        let next = ends.chain(list).min();
        tokio::select! {
            changed = generation.changed() => {
                if changed.is_err() {
                    // The registry is gone, and so is the broker.
                    return std::future::pending().await;
                }
                let trust = registry.current().trust(agency).cloned();
                if is_same(trust.as_ref(), checked.as_ref()) {
                    continue;
                }
                checked = trust;
            }
            () = clock_shows(next) => {}
        }
        checked_at = SystemTime::now();
        let at =
            UnixTime::since_unix_epoch(checked_at.duration_since(UNIX_EPOCH).unwrap_or_default());
        let members = registry.current();
        if let Err(error) = members.check_connection(end_entity, intermediates, at) {
            return error.to_string();
        }
    }
}

/// Waits until the clock shows this time; without one, for ever.
async fn clock_shows(time: Option<SystemTime>) {
    let Some(time) = time else {
        return std::future::pending().await;
    };
    while let Ok(rest) = time.duration_since(SystemTime::now()) {
        if rest.is_zero() {
            return;
        }
        sleep(rest.min(LONGEST_SLEEP)).await;
    }
}

fn is_same(one: Option<&Arc<Trust>>, other: Option<&Arc<Trust>>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if Arc::ptr_eq(one, other))
}

/// The first moment at which a certificate is not valid any more: notAfter belongs to its validity (RFC 5280, 4.1.2.5).
fn end_of_validity(der: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let last = certificate.validity().not_after.timestamp();
    Some(moment(last.saturating_add(1)))
}
