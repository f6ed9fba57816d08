//! What happens to this computer and matters to every link: it woke, or its network changed. Several watches look out,
//! each enough by itself; what they see is judged in one place, so that one wake is told once. All of it is a hint: a
//! link that hears nothing still finds out by its heartbeat. Nothing here touches a link or its socket.

mod judge;
pub mod network;
mod watch;

#[cfg(any(windows, target_os = "macos"))]
mod interfaces;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
mod tick;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock::{Clock, Leap};
use judge::Judge;
use watch::Hint;

/// Something that every link should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvironmentEvent {
    /// This computer slept for so long and woke. Zero: it slept, and nobody can tell how long.
    Resumed(Duration),
    /// Addresses, routes or wires of this computer changed.
    NetworkChanged,
}

/// Whose environment it is.
#[derive(Debug, Default)]
pub enum EnvironmentSource {
    /// This computer's.
    #[default]
    ThisComputer,
    /// One that somebody tells of.
    Told(Environment),
}

/// The D-Bus system bus, on which logind tells of sleep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemBus {
    /// This computer's: `DBUS_SYSTEM_BUS_ADDRESS`, else the usual socket.
    OfThisComputer,
    /// Another one, by its D-Bus address.
    At(String),
}

/// The clock of links, and what happens around them. What watches ends when this is dropped.
#[derive(Debug)]
pub struct Environment {
    clock: Clock,
    events: mpsc::Receiver<EnvironmentEvent>,
    #[expect(dead_code, reason = "what watches lives as long as this")]
    watches: JoinSet<()>,
}

/// Tells an [`Environment`] what happens.
#[derive(Clone, Debug)]
pub struct Teller {
    leap: Leap,
    events: mpsc::Sender<EnvironmentEvent>,
}

impl EnvironmentSource {
    /// The environment; watching begins at once. To be called in a runtime of tokio.
    pub fn open(self) -> Environment {
        match self {
            Self::ThisComputer => Environment::watch(SystemBus::OfThisComputer),
            Self::Told(environment) => environment,
        }
    }
}

impl Environment {
    /// Watches this computer. Nothing is waited for: what cannot be watched now is tried again with patience.
    pub fn watch(bus: SystemBus) -> Self {
        let clock = Clock::system().with_alarm();
        let (hint, hints) = mpsc::channel(64);
        let (sender, events) = mpsc::channel(16);
        let mut watches = JoinSet::new();
        begin(&mut watches, bus, &hint);
        watches.spawn(judge(Judge::new(clock.clone()), hints, sender));
        Self { clock, events, watches }
    }

    /// One whose clock and events somebody tells.
    pub fn told() -> (Self, Teller) {
        let (clock, leap) = Clock::leaping();
        let (sender, events) = mpsc::channel(16);
        (Self { clock, events, watches: JoinSet::new() }, Teller { leap, events: sender })
    }

    /// The clock that knows of the sleep that is told of here.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The next event; waits for ever if nobody watches any more.
    pub async fn next(&mut self) -> EnvironmentEvent {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

impl Teller {
    /// The computer slept for so long and woke.
    pub async fn slept(&self, slept: Duration) {
        self.leap.sleep(slept);
        self.tell(EnvironmentEvent::Resumed(slept)).await;
    }

    /// The network changed.
    pub async fn network_changed(&self) {
        self.tell(EnvironmentEvent::NetworkChanged).await;
    }

    async fn tell(&self, event: EnvironmentEvent) {
        // Without its receiver there is nobody whom it concerns.
        let _ = self.events.send(event).await;
    }
}

/// The clock itself by a timer that the kernel cancels, logind, and the kernel's table of addresses, wires and routes.
#[cfg(target_os = "linux")]
fn begin(watches: &mut JoinSet<()>, bus: SystemBus, hints: &mpsc::Sender<Hint>) {
    watches.spawn(watch::keep::<linux::ClockSet>((), hints.clone()));
    watches.spawn(watch::keep::<linux::Logind>(bus, hints.clone()));
    watches.spawn(watch::keep::<linux::Netlink>((), hints.clone()));
}

/// The clock itself by a slow tick, and the system's table of addresses.
#[cfg(any(windows, target_os = "macos"))]
fn begin(watches: &mut JoinSet<()>, _: SystemBus, hints: &mpsc::Sender<Hint>) {
    watches.spawn(watch::keep::<tick::Tick>((), hints.clone()));
    watches.spawn(watch::keep::<interfaces::Interfaces>((), hints.clone()));
}

/// Only the clock itself, by a slow tick.
#[cfg(not(any(target_os = "linux", windows, target_os = "macos")))]
fn begin(watches: &mut JoinSet<()>, _: SystemBus, hints: &mpsc::Sender<Hint>) {
    watches.spawn(watch::keep::<tick::Tick>((), hints.clone()));
}

/// Turns hints into events until nobody wants them any more.
async fn judge(mut judge: Judge, mut hints: mpsc::Receiver<Hint>, events: mpsc::Sender<EnvironmentEvent>) {
    loop {
        let event = tokio::select! {
            hint = hints.recv() => match hint {
                Some(hint) => judge.take(hint),
                None => return,
            },
            () = until(judge.network_due()) => Some(judge.network_settled()),
        };
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            return;
        }
    }
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
