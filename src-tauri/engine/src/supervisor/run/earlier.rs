//! What there is before the first link: the store, and what earlier runs left in it.

use std::path::Path;

use heartwire_core::view::SNAPSHOT_ROWS;

use super::Run;
use crate::store::{Store, StoreError};
use crate::supervisor::gaps::Known;
use crate::supervisor::writes::Writes;

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
            Err(error) => Self::without_disk(&error)?,
        })
    }

    fn without_disk(error: &StoreError) -> Result<Self, StoreError> {
        let problem = format!(
            "{error}; until Heartwire is started again after that, messages are shown and not kept, and nothing is \
             acknowledged: a server that waits for it sends its messages again then, and may send few before"
        );
        Ok(Self { store: Store::in_memory()?, keeps: false, problem: Some(problem) })
    }
}

impl Run {
    /// What earlier runs left in the store. Without knowing how far they were, a link would begin anew and write so over it:
    /// then there is no disk for this run.
    pub(super) async fn remember(&mut self) -> Result<(), StoreError> {
        let store = self.writes.store();
        let known =
            async { Ok::<_, StoreError>((store.sources().await?, store.lives().await?, store.paused().await?)) };
        match known.await {
            Ok((sources, lives, paused)) => {
                let known = |(name, source, cursor)| (name, Known { source, cursor });
                self.state.known = sources.into_iter().map(known).collect();
                self.state.lives = lives.into_iter().collect();
                self.state.paused = paused.into_iter().collect();
            }
            Err(error) => {
                let Opened { store, keeps, problem } = Opened::without_disk(&error)?;
                (self.writes, self.keeps, self.state.opening_problem) = (Writes::new(store), keeps, problem);
            }
        }
        if let Err(error) = self.remember_rows().await {
            self.state.storage_problem(Some(error.to_string()));
        }
        Ok(())
    }

    async fn remember_rows(&mut self) -> Result<(), StoreError> {
        let store = self.writes.store();
        let (history, _) = store.history(None, None, SNAPSHOT_ROWS).await?;
        let (messages, _) = store.messages(None, None, SNAPSHOT_ROWS).await?;
        self.state.remember(history, messages);
        self.popups.repeat(store, store.newest().await?).await?;
        self.mark_notified();
        Ok(())
    }
}
