//! The signals that mean "end in order".

use crate::exit::Failure;

/// Receives them from the moment it is made.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    ends: [tokio::signal::unix::Signal; 3],
}

impl Signals {
    /// Starts to receive.
    ///
    /// # Errors
    /// The operating system refused.
    #[cfg(unix)]
    pub fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hangup] = ends
            .map(|kind| signal(kind).map_err(|error| Failure::wrong(format!("signals cannot be received: {error}"))));
        Ok(Self { ends: [terminate?, interrupt?, hangup?] })
    }

    /// Starts to receive.
    ///
    /// # Errors
    /// None here.
    #[cfg(not(unix))]
    pub fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// The next one. Cancelling loses nothing.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        {
            let [terminate, interrupt, hangup] = &mut self.ends;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-C cannot be received");
            std::future::pending::<()>().await;
        }
    }
}
