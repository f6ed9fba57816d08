//! Which stored messages become popups, and which of them need none any more. The latter is a mark in the store, behind
//! every popup that still waits: a crash may repeat a popup, but loses none.

use std::collections::BTreeMap;

use heartwire_core::attention::{Attention, CaughtUp, Decision, NOT_STORED, Summary, Words};
use heartwire_core::message::{Arrival, Message};
use heartwire_core::settings::{General, Language};
use heartwire_core::time::Moment;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::NotifyOptions;
use crate::notifier::{Notifier, NotifierEvent, NotifierSettings, Popup};
use crate::store::{Store, StoreError};

/// How many popups that an earlier run owes are shown one by one; the others are told in one.
const REPEATED: usize = 5;

/// Popups of one run; without a notifier there are none, and nothing is marked.
pub struct Popups {
    notifier: Option<Notifier>,
    events: Option<mpsc::Receiver<NotifierEvent>>,
    attention: Attention,
    origin: Instant,
    system_words: Words,
    words: Words,
    wanted: bool,
    /// The newest message that was decided on.
    newest: i64,
    marked: i64,
}

impl Popups {
    pub fn new(options: Option<&NotifyOptions>, general: &General) -> Self {
        let system_words = options.map_or(Words::English, |options| options.system_words);
        let words = words(general.language, system_words);
        let spawned = options.map(|options| {
            Notifier::spawn(NotifierSettings { icon: options.icon.clone(), words, ..NotifierSettings::default() })
        });
        let (notifier, events) = spawned.unzip();
        Self {
            notifier,
            events,
            attention: Attention::new(),
            origin: Instant::now(),
            system_words,
            words,
            wanted: general.notifications,
            newest: 0,
            marked: 0,
        }
    }

    /// Shows what earlier runs stored and did not show.
    pub async fn repeat(&mut self, store: &Store, newest: i64) -> Result<(), StoreError> {
        self.newest = newest;
        if self.notifier.is_none() {
            return Ok(());
        }
        self.marked = store.notified_up_to().await?;
        let (due, total) = store.due_after(self.marked, REPEATED).await?;
        for stored in &due {
            // Whatever it was, it waited long enough.
            let message = Message { arrival: Arrival::Live, ..stored.message.clone() };
            self.decide(&stored.connection, stored.id, &message);
        }
        let others = total.saturating_sub(due.len() as u64);
        if let Some(last) = due.last().filter(|_| others > 0 && self.wanted) {
            let counts = BTreeMap::from([(String::new(), others)]);
            let summary = Summary { counts, missed: false, latest_title: String::new(), first_id: last.id + 1 };
            self.show(Popup::summary(&summary, self.words));
        }
        Ok(())
    }

    /// The general settings may have changed.
    pub fn settings(&mut self, general: &General) {
        self.wanted = general.notifications;
        self.words = words(general.language, self.system_words);
        if let Some(notifier) = &self.notifier {
            notifier.set_words(self.words);
        }
    }

    /// A message that was decided on before it had this row.
    pub fn was_told(&mut self, id: i64) {
        self.newest = self.newest.max(id);
    }

    /// A message with its row, or with [`NOT_STORED`].
    pub fn decide(&mut self, connection: &str, id: i64, message: &Message) {
        if id != NOT_STORED {
            self.newest = self.newest.max(id);
        }
        if !self.wanted || self.notifier.is_none() {
            return;
        }
        match self.attention.decide(self.now(), connection, id, message) {
            Decision::Notify => self.show(Popup::message(connection, message, id)),
            Decision::Fold | Decision::Hold | Decision::Silent => {}
        }
    }

    /// All that a connection missed was decided on, or no more of it will come for now.
    pub fn caught_up(&mut self, connection: &str) {
        let caught_up = self.attention.caught_up(self.now(), connection);
        if !self.wanted {
            return;
        }
        match caught_up {
            CaughtUp::Each(messages) => {
                for (id, message) in messages {
                    self.show(Popup::message(connection, &message, id));
                }
            }
            CaughtUp::Together(summary) => self.show(Popup::summary(&summary, self.words)),
        }
    }

    /// The server took back what it said under this key.
    pub fn withdraw(&mut self, connection: &str, key: &str) {
        self.attention.withdraw(connection, key);
        if let Some(notifier) = &self.notifier {
            notifier.withdraw(connection, key);
        }
    }

    /// When folded messages may be told.
    pub fn summary_due(&self) -> Option<Instant> {
        self.attention.poll_timeout().map(|at| self.origin + at.since_origin())
    }

    pub fn show_summary(&mut self) {
        let summary = self.attention.take_summary(self.now());
        if let Some(summary) = summary.filter(|_| self.wanted) {
            self.show(Popup::summary(&summary, self.words));
        }
    }

    /// What the notifier has to tell, or none once it has shown a popup or given one up; waits for ever without one.
    pub async fn told(&mut self) -> Option<NotifierEvent> {
        let (Some(notifier), Some(events)) = (&self.notifier, &mut self.events) else {
            return std::future::pending().await;
        };
        tokio::select! {
            Some(event) = events.recv() => Some(event),
            () = notifier.settled() => None,
        }
    }

    /// The newest message up to which no popup is owed any more; some if that has moved since it was asked last.
    pub fn mark(&mut self) -> Option<i64> {
        let notifier = self.notifier.as_ref()?;
        let oldest = self.attention.oldest_folded().into_iter().chain(notifier.oldest_waiting()).min();
        let mark = oldest.map_or(self.newest, |oldest| oldest.saturating_sub(1).min(self.newest));
        (mark > self.marked).then(|| {
            self.marked = mark;
            mark
        })
    }

    fn show(&self, popup: Popup) {
        if let Some(notifier) = &self.notifier {
            notifier.show(popup);
        }
    }

    fn now(&self) -> Moment {
        Moment::new(self.origin.elapsed())
    }
}

fn words(language: Language, system: Words) -> Words {
    match language {
        Language::System => system,
        Language::English => Words::English,
        Language::SimplifiedChinese => Words::SimplifiedChinese,
    }
}
