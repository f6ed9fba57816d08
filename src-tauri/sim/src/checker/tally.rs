//! Counts, and what only many delays together can show (14, 16).

use super::{Verdict, Violation, broken};

/// So many delays at the cap in one day cannot be the same by chance.
const SAME_AT_MOST: u32 = 4;
/// From so many on, a spread is judged.
const ENOUGH: u64 = 1_000;
/// How far a tenth may be from its share: four standard deviations at `ENOUGH`.
const TOLERANCE: f64 = 0.04;

/// Delays as parts of their bound, in tenths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    tenths: [u64; 10],
}

impl Spread {
    /// One more.
    pub fn add(&mut self, part: f64) {
        let tenth = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].iter().filter(|from| part >= **from).count();
        self.tenths[tenth] += 1;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.tenths.iter().sum()
    }

    fn plus(&mut self, other: &Self) {
        for (tenth, more) in self.tenths.iter_mut().zip(other.tenths) {
            *tenth += more;
        }
    }

    /// Full jitter: every tenth of the bound is drawn as often as the others.
    #[expect(clippy::cast_precision_loss, reason = "counts of a simulation are far below 2^52")]
    fn is_even(&self) -> bool {
        let count = self.count();
        count < ENOUGH || self.tenths.iter().all(|tenth| (*tenth as f64 / count as f64 - 0.1).abs() < TOLERANCE)
    }
}

/// What the promises speak of: a simulation in which one of these never happens proves nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// A dial was given up.
    DialTimedOut,
    /// The link was blocked.
    Blocked,
    /// `Retry-After` was obeyed.
    Asked,
    /// 1012 and 1013 were.
    CloseCode,
    /// There was no network.
    Offline,
    /// A socket was dropped after a long sleep.
    DroppedAfterSleep,
    /// A socket was probed after a short one.
    ProbedAfterSleep,
    /// A socket was dropped because the path moved.
    Moved,
    /// Something was told of a socket that is not there.
    Stale,
    /// Several reasons to dial came in one moment.
    Crowd,
    /// Our own consumer was full.
    ReadingPaused,
    /// A closing handshake was not answered in time.
    ClosedSlowly,
    /// A text was sent.
    TextSent,
    /// A text was refused.
    TextRefused,
    /// Resume data were dropped.
    ResumeDropped,
}

impl Situation {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::DialTimedOut,
        Self::Blocked,
        Self::Asked,
        Self::CloseCode,
        Self::Offline,
        Self::DroppedAfterSleep,
        Self::ProbedAfterSleep,
        Self::Moved,
        Self::Stale,
        Self::Crowd,
        Self::ReadingPaused,
        Self::ClosedSlowly,
        Self::TextSent,
        Self::TextRefused,
        Self::ResumeDropped,
    ];

    /// In words, after a number.
    pub const fn words(self) -> &'static str {
        match self {
            Self::DialTimedOut => "dials given up",
            Self::Blocked => "times blocked",
            Self::Asked => "waits that the server asked for",
            Self::CloseCode => "closes with 1012 or 1013",
            Self::Offline => "dials without a network",
            Self::DroppedAfterSleep => "drops after a long sleep",
            Self::ProbedAfterSleep => "probes after a short sleep",
            Self::Moved => "drops because the path moved",
            Self::Stale => "events of sockets long gone",
            Self::Crowd => "crowds of reasons to dial",
            Self::ReadingPaused => "pauses of the consumer",
            Self::ClosedSlowly => "closes that nobody answered",
            Self::TextSent => "texts sent",
            Self::TextRefused => "texts refused",
            Self::ResumeDropped => "resume data dropped",
        }
    }
}

/// What was counted on one link, or on all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Inputs after which everything was checked.
    pub steps: u64,
    /// Dials.
    pub dials: u64,
    /// Sockets declared dead.
    pub deaths: u64,
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// Delays drawn at the cap.
    pub at_the_cap: Spread,
    /// Delays after sockets that had not earned a fresh start.
    pub after_short_lives: Spread,
    situations: [u64; Situation::ALL.len()],
    last_at_the_cap: Option<u64>,
    same_at_the_cap: u32,
}

impl Tally {
    /// It happened.
    pub(super) fn met(&mut self, situation: Situation) {
        self.situations[situation as usize] += 1;
    }

    /// How often it happened.
    pub fn count(&self, situation: Situation) -> u64 {
        self.situations[situation as usize]
    }

    /// A delay drawn at the cap, as a part of it.
    pub(super) fn at_the_cap(&mut self, part: f64) -> Verdict {
        self.at_the_cap.add(part);
        let this = part.to_bits();
        self.same_at_the_cap = if self.last_at_the_cap == Some(this) { self.same_at_the_cap + 1 } else { 0 };
        self.last_at_the_cap = Some(this);
        if self.same_at_the_cap >= SAME_AT_MOST {
            return broken(14, format!("{} delays at the cap in a row are the same", self.same_at_the_cap + 1));
        }
        Ok(())
    }

    /// Both together.
    pub fn plus(&mut self, other: &Self) {
        self.steps += other.steps;
        self.dials += other.dials;
        self.deaths += other.deaths;
        self.heartbeats += other.heartbeats;
        for (count, more) in self.situations.iter_mut().zip(other.situations) {
            *count += more;
        }
        self.at_the_cap.plus(&other.at_the_cap);
        self.after_short_lives.plus(&other.after_short_lives);
    }

    /// What only many delays show.
    pub fn check(&self) -> Result<(), Violation> {
        if !self.at_the_cap.is_even() {
            return broken(14, format!("delays at the cap, by tenths of it: {:?}", self.at_the_cap.tenths));
        }
        if !self.after_short_lives.is_even() {
            let tenths = self.after_short_lives.tenths;
            return broken(16, format!("delays after short lives, by tenths of their bound: {tenths:?}"));
        }
        Ok(())
    }
}
