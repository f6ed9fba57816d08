//! A server and its moods.

use crate::trace::Why;

/// What a server does with those who dial and with those who are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    /// Answers dials and heartbeats.
    #[default]
    Well,
    /// Nobody listens: dials are refused.
    Down,
    /// Takes the connection and never answers the upgrade; nor any heartbeat.
    Hangs,
    /// Answers the upgrade with an error.
    Refuses(Why),
    /// Accepts, and closes within two seconds.
    Slams(Why),
    /// Accepts, and never says a word.
    Mute,
    /// Accepts, answers nothing, but sends a byte now and then.
    Trickles,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Server {
    pub mood: Mood,
    /// Counts its moods, so that an old healing heals nothing new.
    pub epoch: u32,
}

impl Server {
    pub(super) fn answers(&self) -> bool {
        matches!(self.mood, Mood::Well | Mood::Refuses(_) | Mood::Slams(_))
    }

    pub(super) fn heal(&mut self, epoch: u32) {
        if self.epoch == epoch {
            self.mood = Mood::Well;
        }
    }
}
