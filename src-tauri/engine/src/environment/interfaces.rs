//! What Windows and macOS tell of this computer's addresses.

use std::future::poll_fn;
use std::task::Poll;

use if_watch::tokio::IfWatcher;

use super::watch::{Hint, Lost, Watch};

/// Sees addresses come and go.
#[derive(Debug)]
pub struct Interfaces {
    watcher: IfWatcher,
}

impl Watch for Interfaces {
    const SOURCE: &'static str = "the network";
    const MISSED: Hint = Hint::NetworkChanged;
    type Of = ();

    async fn open((): ()) -> Result<Self, Lost> {
        let mut watcher = IfWatcher::new().map_err(Lost::because)?;
        // It begins by telling what there is, which is no change.
        let told = |watcher: &mut IfWatcher, cx: &mut std::task::Context<'_>| match watcher.poll_if_event(cx) {
            Poll::Ready(told) => Poll::Ready(Some(told)),
            Poll::Pending => Poll::Ready(None),
        };
        while let Some(told) = poll_fn(|cx| told(&mut watcher, cx)).await {
            told.map_err(Lost::because)?;
        }
        Ok(Self { watcher })
    }

    async fn next(&mut self) -> Result<Hint, Lost> {
        poll_fn(|cx| self.watcher.poll_if_event(cx)).await.map_err(Lost::because)?;
        Ok(Hint::NetworkChanged)
    }
}
