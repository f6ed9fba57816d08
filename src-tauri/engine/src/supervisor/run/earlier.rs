//! What there is before the first link: the store, and what earlier runs left in it.

use std::path::Path;

use heartwire_core::view::SNAPSHOT_ROWS;

use super::Run;
use crate::store::{Store, StoreError};
use crate::supervisor::gaps::Known;

pub(super) struct Opened {
    pub(super) store: Store,
    /// See [`Run::keeps`].
    pub(super) keeps: bool,
    pub(super) problem: Option<String>,
}

impl Opened {
    /// The store on disk; in memory, with the reason, where that cannot be.
    pub(super) fn at(path: Option<&Path>) -> Result<Self, StoreError> {
        let Some(path) = path else { return Ok(Self { store: Store::in_memory()?, keeps: true, problem: None }) };
        Ok(match Store::open(path) {
            Ok((store, set_aside)) => {
                Self { store, keeps: true, problem: set_aside.map(|set_aside| set_aside.to_string()) }
            }
            Err(error) => {
                let problem = format!(
                    "{error}; until Heartwire is started again after that, messages are shown and not kept, and nothing is \
                     acknowledged: a server that waits for it sends its messages again then, and may send few before"
                );
                Self { store: Store::in_memory()?, keeps: false, problem: Some(problem) }
            }
        })
    }
}

impl Run {
    /// What earlier runs left in the store.
    pub(super) async fn remember(&mut self) {
        let store = self.writes.store();
        let rows = async {
            let (history, _) = store.history(None, None, SNAPSHOT_ROWS).await?;
            let (messages, _) = store.messages(None, None, SNAPSHOT_ROWS).await?;
            let known = (store.sources().await?, store.lives().await?);
            Ok::<_, StoreError>((history, messages, store.paused().await?, known, store.newest().await?))
        };
        match rows.await {
            Ok((history, messages, paused, (sources, lives), newest)) => {
                self.state.remember(history, messages);
                self.state.paused = paused.into_iter().collect();
                let known = |(name, source, cursor)| (name, Known { source, cursor });
                self.state.known = sources.into_iter().map(known).collect();
                self.state.lives = lives.into_iter().collect();
                if let Err(error) = self.popups.repeat(self.writes.store(), newest).await {
                    self.state.storage_problem(Some(error.to_string()));
                }
                self.mark_notified();
            }
            Err(error) => self.state.storage_problem(Some(error.to_string())),
        }
    }
}
