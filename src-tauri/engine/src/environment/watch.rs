//! What a watch is, and how one is kept: opened, listened to, and opened again with patience when it is lost.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// Something a watch saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The computer may have slept: compare the clocks.
    LookAtClock,
    /// A tick came, so much later than it should have.
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "Linux needs no tick"))]
    Ticked(Duration),
    /// The computer is about to sleep.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only logind says so"))]
    GoingToSleep,
    /// The computer woke.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only logind says so"))]
    WokeUp,
    /// Addresses, routes or wires changed.
    NetworkChanged,
}

/// Why a watch cannot go on; a part of a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Lost(pub String);

impl Lost {
    pub fn because(error: impl std::error::Error) -> Self {
        Self(heartwire_core::text::one_line(&error.to_string(), 200))
    }
}

/// Somebody who sees what happens to this computer.
pub trait Watch: Sized + Send {
    /// What it looks at, for the log.
    const SOURCE: &'static str;
    /// What may have been missed while it was lost.
    const MISSED: Hint;
    /// What has to be known to open it.
    type Of: Clone + Send + Sync;

    fn open(of: Self::Of) -> impl Future<Output = Result<Self, Lost>> + Send;

    /// Waits for the next hint. Nothing is lost if the waiting is given up.
    fn next(&mut self) -> impl Future<Output = Result<Hint, Lost>> + Send;
}

/// Opening may hang, as a bus may that nobody serves.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// The waits before a lost watch is opened again: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Keeps a watch for as long as somebody takes its hints.
pub async fn keep<W: Watch>(of: W::Of, hints: mpsc::Sender<Hint>) {
    let mut patience = Patience::default();
    let mut losses = 0_u32;
    while !hints.is_closed() {
        let began = Instant::now();
        let Err(lost) = listen::<W>(of.clone(), &hints, losses > 0).await;
        let wait = patience.after(began.elapsed());
        // It is the same news each time, and most likely for good.
        if losses == 0 {
            let source = W::SOURCE;
            tracing::info!(
                "{source} cannot be watched: {lost}; links do without it, and it is tried again now and then"
            );
        } else {
            tracing::debug!("{} cannot be watched: {lost}; again in {} s", W::SOURCE, wait.as_secs());
        }
        losses = losses.saturating_add(1);
        sleep(wait).await;
    }
}

async fn listen<W: Watch>(of: W::Of, hints: &mpsc::Sender<Hint>, again: bool) -> Result<Infallible, Lost> {
    let opened = timeout(OPEN_LIMIT, W::open(of)).await;
    let mut watch = opened.map_err(|_| Lost(format!("no answer within {} s", OPEN_LIMIT.as_secs())))??;
    if again {
        tracing::debug!("{} is watched again", W::SOURCE);
        tell(hints, W::MISSED).await?;
    }
    loop {
        let hint = watch.next().await?;
        tell(hints, hint).await?;
    }
}

async fn tell(hints: &mpsc::Sender<Hint>, hint: Hint) -> Result<(), Lost> {
    hints.send(hint).await.map_err(|_| Lost("nobody listens any more".to_owned()))
}

/// How long to wait before the next try: twice as long each time, but from the start again after a watch that lasted.
#[derive(Debug, Default)]
struct Patience(Option<Duration>);

impl Patience {
    fn after(&mut self, lasted: Duration) -> Duration {
        let wait = match self.0 {
            Some(last) if lasted < LONGEST_WAIT => (last * 2).min(LONGEST_WAIT),
            _ => FIRST_WAIT,
        };
        self.0 = Some(wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn patience_doubles_up_to_ten_minutes_and_begins_again_after_a_watch_that_lasted() {
        let mut patience = Patience::default();
        let waits: Vec<_> = (0..12).map(|_| patience.after(SECOND).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(patience.after(LONGEST_WAIT), SECOND);
        assert_eq!(patience.after(SECOND), 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_cannot_be_opened_costs_six_wakeups_an_hour_in_the_end() {
        let tries = Arc::<AtomicUsize>::default();
        let (sender, _hints) = mpsc::channel(1);
        let kept = tokio::spawn(keep::<Never>(tries.clone(), sender));
        tokio::time::sleep(3600 * SECOND).await;
        let first = tries.load(Ordering::Relaxed);
        tokio::time::sleep(3600 * SECOND).await;
        assert!((11..=18).contains(&first), "{first}");
        assert_eq!(tries.load(Ordering::Relaxed) - first, 6);
        kept.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn that_it_is_not_there_is_said_once() {
        let log = Arc::new(tempfile::tempfile().unwrap());
        let lines = tracing_subscriber::fmt().with_writer(log.clone()).finish();
        let _listening = tracing::subscriber::set_default(lines);
        let (sender, _hints) = mpsc::channel(1);
        let kept = tokio::spawn(keep::<Never>(Arc::default(), sender));
        tokio::time::sleep(3600 * SECOND).await;
        kept.abort();
        let mut said = String::new();
        log.as_ref().rewind().unwrap();
        log.as_ref().read_to_string(&mut said).unwrap();
        assert_eq!(said.matches("nothing cannot be watched: it is not there").count(), 1, "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_opening_that_hangs_is_given_up_and_what_may_be_missed_is_told_when_it_is_back() {
        let (sender, mut hints) = mpsc::channel(1);
        let began = Instant::now();
        let kept = tokio::spawn(keep::<SlowToOpen>(Arc::default(), sender));
        assert_eq!(hints.recv().await, Some(Hint::LookAtClock), "it was told what may be missed");
        assert_eq!(began.elapsed(), OPEN_LIMIT + FIRST_WAIT);
        assert_eq!(hints.recv().await, Some(Hint::NetworkChanged));
        drop(hints);
        kept.await.unwrap();
    }

    /// Cannot be opened.
    struct Never;

    impl Watch for Never {
        const SOURCE: &'static str = "nothing";
        const MISSED: Hint = Hint::LookAtClock;
        type Of = Arc<AtomicUsize>;

        async fn open(tries: Self::Of) -> Result<Self, Lost> {
            tries.fetch_add(1, Ordering::Relaxed);
            Err(Lost("it is not there".to_owned()))
        }

        async fn next(&mut self) -> Result<Hint, Lost> {
            std::future::pending().await
        }
    }

    /// Hangs the first time it is opened, and sees something at once the next.
    struct SlowToOpen;

    impl Watch for SlowToOpen {
        const SOURCE: &'static str = "something slow";
        const MISSED: Hint = Hint::LookAtClock;
        type Of = Arc<AtomicUsize>;

        async fn open(tries: Self::Of) -> Result<Self, Lost> {
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                return std::future::pending().await;
            }
            Ok(Self)
        }

        async fn next(&mut self) -> Result<Hint, Lost> {
            Ok(Hint::NetworkChanged)
        }
    }
}
