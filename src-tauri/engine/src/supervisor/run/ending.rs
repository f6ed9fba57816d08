//! The end of a run.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Run, deliver};
use crate::driver::ConnectionId;
use crate::store::Store;
use crate::supervisor::links::now_ms;

/// Closing handshakes are bounded to a second by the links; this is for what comes after them.
const STOP_LIMIT: Duration = Duration::from_millis(1_500);

impl Run {
    /// Ends every link, then writes what is pending; within [`STOP_LIMIT`].
    pub(super) async fn stop(mut self) {
        let limit = Instant::now() + STOP_LIMIT;
        let links: Vec<ConnectionId> = self.state.links.keys().copied().collect();
        for id in links {
            self.retire(id, None);
        }
        while !self.state.stopping.is_empty() {
            tokio::select! {
                Some(event) = self.driver_events.recv() => self.driver_event(event),
                Some(internal) = self.internal.recv() => self.internal(internal),
                () = sleep_until(limit) => break,
            }
        }
        self.mark_notified();
        // What the disk refused gets one more try.
        self.writes.release();
        loop {
            self.writes.launch();
            if self.writes.idle() {
                break;
            }
            let Ok(outcome) = timeout_at(limit, self.writes.outcome()).await else { break };
            self.written(outcome);
        }
        close_store(self.writes.store().clone(), limit).await;
        while !self.state.outbox.is_empty() {
            let delivered = deliver(self.listener.as_ref(), &mut self.state.outbox);
            if timeout_at(limit, delivered).await.is_err() {
                break;
            }
        }
    }
}

async fn close_store(store: Store, limit: Instant) {
    let closed = async {
        store.close_spans(now_ms()).await?;
        store.close().await
    };
    match timeout_at(limit, closed).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!("storage: {error}"),
        Err(_) => tracing::error!("storage: not closed in time; what was not written is lost"),
    }
}
