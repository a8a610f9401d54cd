//! Connections within their quota. One that is over it is closed right after the handshake, which told whose it is.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Semaphore, mpsc},
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::{
    identity::{Caller, Connection},
    policy::quotas::{Over, Permit, Quotas},
};

/// Most refused connections that are kept waiting; more are closed at once.
const MOST_WAITING: usize = 64;

/// A connection with its place in the quotas.
#[derive(Debug)]
pub struct Admitted {
    connection: Connection,
    _permit: Permit,
}

/// Hands on the connections that are within their quota.
pub fn admitted(
    quotas: Arc<Quotas>,
    mut connections: mpsc::Receiver<io::Result<Connection>>,
) -> ReceiverStream<io::Result<Admitted>> {
    let (ready, admitted) = mpsc::channel(1);
    let refusals = Arc::new(Refusals {
        waiting: Semaphore::new(MOST_WAITING),
        untold: AtomicU64::new(0),
    });
    tokio::spawn(async move {
        while let Some(connection) = connections.recv().await {
            let (quotas, ready, refusals) =
                (Arc::clone(&quotas), ready.clone(), Arc::clone(&refusals));
            // Each in a task of its own, so that one that waits keeps back no other. The listener bounds their number.
            tokio::spawn(async move {
                let connection = match connection {
                    Ok(connection) => connection,
                    Err(error) => return drop(ready.send(Err(error)).await),
                };
                match quotas.connection(connection.caller()).await {
                    Ok(permit) => {
                        let admitted = Admitted {
                            connection,
                            _permit: permit,
                        };
                        drop(ready.send(Ok(admitted)).await);
                    }
                    Err(over) => refusals.refuse(&quotas, connection, over).await,
                }
            });
        }
    });
    ReceiverStream::new(admitted)
}

/// Refused connections.
struct Refusals {
    waiting: Semaphore,
    /// Those that were not logged one by one.
    untold: AtomicU64,
}

impl Refusals {
    /// Closes a connection, after a while: whoever comes back at once must not cost a handshake each time.
    async fn refuse(&self, quotas: &Quotas, connection: Connection, over: Over) {
        let Ok(_place) = self.waiting.try_acquire() else {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let (caller, quota) = (connection.caller(), over.quota);
        let more = self.untold.swap(0, Ordering::Relaxed);
        tracing::info!(peer = %caller.peer, principal = caller.principal_text, quota, more, "connection over its quota");
        sleep(quotas.refused_connection()).await;
        drop(connection);
    }
}

impl Connected for Admitted {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.connection.caller().clone()
    }
}

impl AsyncRead for Admitted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

impl AsyncWrite for Admitted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}
