//! The notifier's task: takes one popup after the other and stays with it until it is shown or given up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::desktop::{self, Desktop, Failure, Shown};
use super::queue::{Queue, Waiting};
use super::{NotifierEvent, NotifierSettings};

/// How often a popup is handed over again after the desktop took it and did not answer: it may show every one.
const UNANSWERED: u32 = 3;
/// How often a popup is handed over again after the desktop refused it.
const REFUSED: u32 = 8;

pub(super) async fn run(queue: Arc<Queue>, settings: NotifierSettings, events: mpsc::Sender<NotifierEvent>) {
    let mut delivery = Delivery { pause: settings.retry_first, queue, settings, events, available: None };
    delivery.probe().await;
    loop {
        let next = if delivery.available == Some(true) {
            delivery.queue.next_or_close().await
        } else {
            let next = timeout(delivery.pause, delivery.queue.next()).await.ok();
            if next.is_none() {
                // Nothing waits, but the person should see when the desktop is back.
                delivery.lengthen_pause();
            }
            next
        };
        match next {
            Some(waiting) => delivery.deliver(waiting).await,
            None => delivery.probe().await,
        }
    }
}

struct Delivery {
    queue: Arc<Queue>,
    settings: NotifierSettings,
    events: mpsc::Sender<NotifierEvent>,
    /// What was told last.
    available: Option<bool>,
    /// The wait before the next attempt.
    pause: Duration,
}

impl Delivery {
    async fn probe(&mut self) {
        match self.desktop().await {
            Ok(_) => self.succeeded().await,
            Err(failure) => self.failed(failure.reason()).await,
        }
    }

    /// Tries until the popup is shown or given up.
    async fn deliver(&mut self, Waiting { popup, since }: Waiting) {
        let (mut unanswered, mut refused) = (0, 0);
        loop {
            if !self.queue.is_wanted() {
                return self.queue.settle(None);
            }
            let failure = match self.attempt(&popup).await {
                Ok(shown) => {
                    self.queue.settle(shown);
                    return self.succeeded().await;
                }
                Err(failure) => failure,
            };
            self.failed(failure.reason()).await;
            match failure {
                Failure::Absent(_) => {}
                Failure::Unanswered(_) => unanswered += 1,
                Failure::Refused(_) => {
                    refused += 1;
                    // It may be the replacing that was refused.
                    self.queue.forget_replaced();
                }
            }
            if since.elapsed() >= self.settings.keep_for || unanswered >= UNANSWERED || refused >= REFUSED {
                return self.give_up(popup.messages, failure.reason()).await;
            }
            sleep(self.pause).await;
            self.lengthen_pause();
        }
    }

    /// Asks first what the desktop is, each time: it may be another one than before, and one that hangs is noticed
    /// before it was handed something that it would show late and again.
    async fn attempt(&self, popup: &super::Popup) -> Result<Option<Shown>, Failure> {
        let desktop = self.desktop().await?;
        let limit = self.settings.show_limit;
        match timeout(limit, desktop::show(&self.settings, &desktop, popup, self.queue.replaces())).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Unanswered(no_answer(limit))),
        }
    }

    /// What the desktop is, after it was told what to close.
    async fn desktop(&self) -> Result<Desktop, Failure> {
        let limit = self.settings.show_limit;
        let desktop = limited(limit, desktop::describe()).await?;
        let to_close = self.queue.take_to_close(&desktop.service);
        if !to_close.is_empty() && timeout(limit, desktop::close(&to_close)).await.is_err() {
            return Err(Failure::Absent(no_answer(limit)));
        }
        Ok(desktop)
    }

    async fn give_up(&mut self, messages: u64, reason: &str) {
        let mut messages = messages;
        // What has waited as long is given up with it rather than tried one by one.
        if let Some(limit) = Instant::now().checked_sub(self.settings.keep_for) {
            messages += self.queue.take_older_than(limit);
        }
        self.queue.settle(None);
        self.tell(NotifierEvent::NotShown { messages, reason: reason.to_owned() }).await;
    }

    async fn succeeded(&mut self) {
        self.pause = self.settings.retry_first;
        if self.available != Some(true) {
            self.available = Some(true);
            self.tell(NotifierEvent::Available).await;
        }
    }

    async fn failed(&mut self, reason: &str) {
        if self.available != Some(false) {
            tracing::warn!(reason, "notifications cannot be shown");
            self.available = Some(false);
            self.tell(NotifierEvent::Unavailable(reason.to_owned())).await;
        }
    }

    fn lengthen_pause(&mut self) {
        self.pause = self.pause.saturating_mul(2).min(self.settings.retry_cap);
    }

    async fn tell(&self, event: NotifierEvent) {
        // Nobody may be listening; popups are shown all the same.
        let _ = self.events.send(event).await;
    }
}

/// A question that changes nothing: no answer in time means that the desktop is not there.
async fn limited<T>(limit: Duration, question: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(limit, question).await.unwrap_or_else(|_| Err(Failure::Absent(no_answer(limit))))
}

fn no_answer(limit: Duration) -> String {
    format!(
        "the desktop's notification service did not answer within {} s; it may have to be restarted",
        limit.as_secs_f64()
    )
}
