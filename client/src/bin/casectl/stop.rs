//! The end of commands that run until somebody ends them.

/// Waits until the keyboard (Ctrl-C) or a supervisor (SIGTERM) asks for the end; counts from the call on, not from the first wait. A
/// second Ctrl-C ends the process at once.
#[cfg(unix)]
pub fn asked() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn received(signal: Option<Signal>) {
        match signal {
            Some(mut signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
    let interrupt = signal(SignalKind::interrupt()).ok();
    let terminate = signal(SignalKind::terminate()).ok();
    async move {
        tokio::select! {
            () = received(interrupt) => {}
            () = received(terminate) => {}
        }
    }
}

/// The same where there is no SIGTERM.
#[cfg(not(unix))]
pub async fn asked() {
    drop(tokio::signal::ctrl_c().await);
}
