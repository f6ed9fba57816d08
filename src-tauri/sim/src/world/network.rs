//! The network between this computer and all servers.

use std::time::Duration;

use heartwire_core::time::Moment;

/// What it does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carriage {
    /// Carries them.
    Fine,
    /// Swallows them all until then.
    Hole(Moment),
    /// There is none until then: dials fail at once.
    Offline(Moment),
}

#[derive(Clone, Debug)]
pub(super) struct Network {
    pub carriage: Carriage,
    /// This computer's address. A socket of another one is cut off.
    pub path: u32,
    /// The usual round trip.
    pub round_trip: Duration,
    /// How much slower it is at present.
    pub slower: u32,
    /// Counts what happened to it, so that an old healing heals nothing new.
    pub epoch: u32,
}

impl Network {
    pub(super) fn new(round_trip: Duration) -> Self {
        Self { carriage: Carriage::Fine, path: 0, round_trip, slower: 1, epoch: 0 }
    }

    pub(super) fn heal(&mut self, epoch: u32) {
        if self.epoch == epoch {
            self.carriage = Carriage::Fine;
            self.slower = 1;
        }
    }
}
