//! The notifier: shows popups on the desktop, one after the other, and never makes anyone wait for it. It bounds what
//! it keeps, makes server text safe and tells when the desktop cannot show anything. Which messages deserve a popup is
//! decided elsewhere (`heartwire_core::attention`).
//!
//! While the desktop cannot show anything, popups wait in order: at most 64, then they are only counted and told
//! together; at most ten minutes, then they are reported as not shown. [`Notifier::oldest_waiting`] tells which messages
//! are neither, so that they can be handed over again after a crash.
//!
//! A popup that has a key replaces what is shown or waits under that key, and can be withdrawn. The newest 256 of those
//! shown are remembered; another desktop, or the same after a restart, knows none of them.

mod deliver;
mod desktop;
mod queue;
mod remembered;

use std::sync::Arc;
use std::time::Duration;

use heartwire_core::attention::{Summary, Words};
use heartwire_core::message::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use queue::Queue;

/// How many events may wait for their reader; the notifier waits with it, nobody else does.
const EVENTS: usize = 16;

/// How popups are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifierSettings {
    /// What the desktop calls the program.
    pub app_name: String,
    /// The path or theme name of the popups' icon.
    pub icon: Option<String>,
    /// How long the desktop may take to answer.
    pub show_limit: Duration,
    /// The first wait before trying again; it doubles each time.
    pub retry_first: Duration,
    /// The longest wait before trying again.
    pub retry_cap: Duration,
    /// How long a popup is tried before it counts as not shown.
    pub keep_for: Duration,
    /// The language of what the notifier itself says; [`Notifier::set_words`] changes it.
    pub words: Words,
}

impl Default for NotifierSettings {
    fn default() -> Self {
        Self {
            app_name: "Heartwire".to_owned(),
            icon: None,
            show_limit: Duration::from_secs(5),
            retry_first: Duration::from_secs(1),
            retry_cap: Duration::from_secs(15),
            keep_for: Duration::from_secs(10 * 60),
            words: Words::default(),
        }
    }
}

/// What is to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popup {
    /// The connection's name; empty for several.
    pub connection: String,
    /// What it is about, if the server said so: a later popup of this connection with the same key takes its place, and
    /// [`Notifier::withdraw`] names it.
    pub key: Option<String>,
    /// Shown as one line of at most 120 characters; the connection's name stands in for an empty one.
    pub title: String,
    /// Shown as at most 1,000 characters, as plain text.
    pub body: String,
    /// 1 to 5: its urgency.
    pub priority: u8,
    /// How many messages it stands for.
    pub messages: u64,
    /// The smallest row among them; [`NOT_STORED`](heartwire_core::attention::NOT_STORED) if none of them has one.
    pub first_id: i64,
}

impl Popup {
    /// The popup of one message in this row, or [`NOT_STORED`](heartwire_core::attention::NOT_STORED).
    pub fn message(connection: &str, message: &Message, id: i64) -> Self {
        Self {
            connection: connection.to_owned(),
            key: message.key.clone(),
            title: message.title.clone(),
            body: message.body.clone(),
            priority: message.priority,
            messages: 1,
            first_id: id,
        }
    }

    /// The popup of many messages.
    pub fn summary(summary: &Summary, words: Words) -> Self {
        let mut names = summary.counts.keys();
        let connection = if summary.counts.len() == 1 { names.next().cloned() } else { None };
        Self {
            connection: connection.unwrap_or_default(),
            key: None,
            title: summary.title(words),
            body: summary.body(words),
            priority: 3,
            messages: summary.total(),
            first_id: summary.first_id,
        }
    }
}

/// What the notifier has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifierEvent {
    /// Popups can be shown (again).
    Available,
    /// Popups cannot be shown now, and why; they wait.
    Unavailable(String),
    /// These messages' popups waited too long or were refused, and will not be shown.
    NotShown {
        /// How many messages they stood for.
        messages: u64,
        /// Why.
        reason: String,
    },
}

/// A handle to the notifier's task. The task ends when the last handle is gone; what waits is then not shown.
#[derive(Clone, Debug)]
pub struct Notifier {
    queue: Arc<Queue>,
    _task: Arc<AbortOnDrop>,
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Notifier {
    /// Starts the task in the present tokio runtime. It looks at once whether there is a desktop to show anything.
    pub fn spawn(settings: NotifierSettings) -> (Self, mpsc::Receiver<NotifierEvent>) {
        let (events, receiver) = mpsc::channel(EVENTS);
        let queue = Arc::new(Queue::new(settings.words));
        let task = tokio::spawn(deliver::run(Arc::clone(&queue), settings, events));
        (Self { queue, _task: Arc::new(AbortOnDrop(task)) }, receiver)
    }

    /// Shows a popup after those that wait. Never waits; of too many popups only the number is kept and shown.
    pub fn show(&self, popup: Popup) {
        self.queue.push(popup);
    }

    /// The server took back what it said under this key: a popup that waits is not shown any more, one that is shown is
    /// closed, also one that is just being shown. Never waits. A message that was only counted stays counted.
    pub fn withdraw(&self, connection: &str, key: &str) {
        self.queue.withdraw(connection, key);
    }

    /// The smallest row among the messages whose popups were neither shown nor given up yet. What was handed to
    /// [`Self::show`] counts from that moment.
    pub fn oldest_waiting(&self) -> Option<i64> {
        self.queue.oldest_waiting()
    }

    /// Returns when a popup was shown or given up since the last return, so that [`Self::oldest_waiting`] may have
    /// moved; several that settled meanwhile are one. Only one task may wait; it may stop waiting at any time.
    pub async fn settled(&self) {
        self.queue.settled().await;
    }

    /// The language of the summaries that the notifier makes from now on.
    pub fn set_words(&self, words: Words) {
        self.queue.set_words(words);
    }
}
