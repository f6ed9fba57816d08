//! The signals that mean "end in order".

use crate::exit::Failure;

/// Receives them from the moment it is made.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    ends: [tokio::signal::unix::Signal; 2],
    /// None where whoever started this wants it to outlive its terminal.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Starts to receive.
    ///
    /// # Errors
    /// The operating system refused.
    #[cfg(unix)]
    pub fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let start = |kind| signal(kind).map_err(|error| Failure::wrong(format!("signals cannot be received: {error}")));
        let hangup = if hangup_is_ignored() { None } else { Some(start(SignalKind::hangup())?) };
        Ok(Self { ends: [start(SignalKind::terminate())?, start(SignalKind::interrupt())?], hangup })
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
            let [terminate, interrupt] = &mut self.ends;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                Some(()) = async { self.hangup.as_mut()?.recv().await } => {}
            }
        }
        #[cfg(not(unix))]
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-C cannot be received");
            std::future::pending::<()>().await;
        }
    }
}

/// Whether this was started by `nohup` or the like.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    // Only Linux has the file; elsewhere a hangup ends the app in order.
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// The mask of ignored signals has a bit a signal, from the lowest; SIGHUP is the first (proc(5), `SigIgn`).
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    #[test]
    fn a_start_by_nohup_is_recognized() {
        let check = |status: &str, ignored: bool| assert_eq!(super::ignores_hangup(status), ignored, "{status}");
        check("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n", false);
        check("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n", true);
        check("nonsense", false);
    }
}
