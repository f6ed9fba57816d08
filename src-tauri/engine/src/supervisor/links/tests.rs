//! What is recorded of a link, in a wall clock that the test moves.

use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::link::Generation;
use heartwire_core::settings::{ConnectionForm, resolve};
use heartwire_core::view::GapView;
use tokio::sync::mpsc;

use super::*;
use crate::driver::{ConnectionId, DriverOptions, spawn};
use crate::settings_file::{defaults, presets};
use crate::store::Store;

const HOUR: i64 = 3_600_000;
const START: i64 = 1_700_000_000_000;

struct Recorded {
    link: LinkRecord,
    now_ms: i64,
    generation: u64,
    attempt: u32,
    /// The newest count of tries of each outage.
    tries: Vec<u32>,
    /// Kind, begin, end of each span, in hours since the start.
    rows: Vec<(SpanKind, f64, Option<f64>)>,
    gaps: Vec<(Timestamp, Timestamp)>,
    begun: Vec<BeginSpan>,
}

impl Recorded {
    fn new() -> Self {
        let (name, url) = (Some("crm".to_owned()), Some("ws://h/".to_owned()));
        let form = ConnectionForm { name, url, ..ConnectionForm::default() };
        let connection = resolve(&form, &defaults(), &presets()).unwrap();
        let options = DriverOptions::new(ConnectionId(1), connection.clone());
        let credentials = options.request.credentials.clone();
        let link = LinkRecord::new(connection, spawn(options, mpsc::channel(1).0), credentials, START);
        Self {
            link,
            now_ms: START,
            generation: 1,
            attempt: 0,
            tries: Vec::new(),
            rows: Vec::new(),
            gaps: Vec::new(),
            begun: Vec::new(),
        }
    }

    fn hours(at_ms: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few days")]
        let hours = (at_ms - START) as f64 / HOUR as f64;
        hours
    }

    fn end(&mut self, at_ms: i64) {
        if let Some(last) = self.rows.last_mut().filter(|(_, _, end)| end.is_none()) {
            last.2 = Some(Self::hours(at_ms).max(last.1));
        }
    }

    fn begin(&mut self, begin: &BeginSpan) {
        self.end(begin.at_ms);
        self.rows.push((begin.kind, Self::hours(begin.at_ms), None));
        self.begun.push(begin.clone());
    }

    fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    /// A status of the driver, with the silence that it tells of.
    fn status(&mut self, state: LinkState, cause: Option<CauseCode>, silent_for: i64) {
        let generation = Generation(self.generation);
        self.silently(state, cause, silent_for);
        if state == LinkState::Connected {
            // A dialect that cannot ask for what was missed says so at once.
            let closed = self.link.caught_up(generation, CaughtUp::Missing(Missing::NoReplay), self.now_ms);
            self.gaps.extend(closed.map(|closed| match closed.event {
                Event::Gap { from, to, .. } => (from, to),
                other => panic!("{other:?}"),
            }));
        }
    }

    /// The same, but the dialect says nothing yet.
    fn silently(&mut self, state: LinkState, cause: Option<CauseCode>, silent_for: i64) {
        let generation = Generation(self.generation);
        self.generation += u64::from(state == LinkState::Waiting);
        let status = LinkStatus {
            state,
            generation,
            attempt: self.attempt,
            retry_at: None,
            cause: cause.map(|code| Cause::new(code, "as the test says")),
            silent_for: Duration::from_millis(silent_for.unsigned_abs()),
        };
        let changed = self.link.status_changed(status, None, self.now_ms);
        if let Some(end) = changed.end {
            self.end(end);
        }
        if let Some(begin) = changed.begin {
            if begin.kind == SpanKind::Down {
                self.tries.push(begin.attempts);
            }
            self.begin(&begin);
        }
        if let (Some(newest), Some(attempts)) = (self.tries.last_mut(), changed.attempts) {
            *newest = attempts;
        }
    }

    /// The link dials for the so manieth time by its own count, and fails.
    fn tried(&mut self, attempt: u32, cause: CauseCode) {
        self.attempt = attempt;
        self.status(LinkState::Connecting, None, 0);
        self.status(LinkState::Waiting, Some(cause), 0);
    }

    fn woke(&mut self, slept: i64) {
        if let Some((asleep_ms, goes_on)) = self.link.slept(Duration::from_millis(slept.unsigned_abs()), self.now_ms) {
            self.end(asleep_ms);
            self.begin(&goes_on);
        }
    }

    /// Those that lasted.
    fn lasting(&self) -> Vec<(SpanKind, f64, Option<f64>)> {
        self.rows.iter().copied().filter(|(_, begin, end)| end.is_none_or(|end| end > *begin)).collect()
    }

    /// How much of the last day the strip calls up and down, in hours.
    fn strip(&self) -> (f64, f64) {
        let parts = self.link.view(self.now_ms).strip.parts;
        let total = |kind| {
            Self::hours(START + parts.iter().filter(|part| part.kind == kind).map(|part| part.length_ms).sum::<i64>())
        };
        (total(SpanKind::Up), total(SpanKind::Down))
    }
}

/// Up for two hours, asleep for eight.
fn night() -> Recorded {
    let mut it = Recorded::new();
    it.status(LinkState::Connected, None, 0);
    it.pass(10 * HOUR);
    it
}

#[tokio::test]
async fn a_night_is_no_outage_and_its_gap_is_whole_whoever_tells_of_it_first() {
    for driver_first in [true, false] {
        let mut it = night();
        if !driver_first {
            it.woke(8 * HOUR);
        }
        it.status(LinkState::Waiting, Some(CauseCode::Slept), 8 * HOUR);
        if driver_first {
            it.woke(8 * HOUR);
        }
        it.pass(HOUR / 4);
        it.status(LinkState::Connected, None, 0);
        it.pass(HOUR);
        let expected =
            [(SpanKind::Up, 0.0, Some(2.0)), (SpanKind::Down, 10.0, Some(10.25)), (SpanKind::Up, 10.25, None)];
        assert_eq!(it.lasting(), expected, "{driver_first}");
        assert_eq!(it.strip(), (3.0, 0.25), "{driver_first}");
        let at = |ms| timestamp(START + ms);
        assert_eq!(it.gaps, [(at(2 * HOUR), at(10 * HOUR + HOUR / 4))], "{driver_first}");
    }
}

#[tokio::test]
async fn a_link_that_outlives_a_nap_was_off_meanwhile() {
    let mut it = night();
    it.woke(8 * HOUR);
    it.pass(HOUR);
    assert_eq!(it.lasting(), [(SpanKind::Up, 0.0, Some(2.0)), (SpanKind::Up, 10.0, None)]);
    assert_eq!((it.strip(), it.gaps.len()), ((3.0, 0.0), 0));
}

#[tokio::test]
async fn a_link_that_does_not_answer_after_a_nap_is_out_since_the_wake_and_missed_what_came_since_it_was_heard() {
    let mut it = night();
    it.woke(8 * HOUR);
    it.pass(2_000);
    it.status(LinkState::Waiting, Some(CauseCode::HeartbeatTimeout), 8 * HOUR + 2_000);
    it.pass(HOUR - 2_000);
    it.status(LinkState::Connected, None, 0);
    assert_eq!(
        it.lasting(),
        [(SpanKind::Up, 0.0, Some(2.0)), (SpanKind::Down, 10.0, Some(11.0)), (SpanKind::Up, 11.0, None)]
    );
    assert_eq!(it.gaps[0].0, timestamp(START + 2 * HOUR));
}

#[tokio::test]
async fn the_tries_of_an_outage_count_whoever_made_them() {
    let mut it = Recorded::new();
    it.status(LinkState::Connected, None, 0);
    it.pass(HOUR);
    it.status(LinkState::Waiting, Some(CauseCode::Reset), 0);
    assert_eq!(it.tries, [0]);
    it.tried(1, CauseCode::Refused);
    // The person changes the settings, twice: another link goes on with the outage.
    for _ in 0..2 {
        let past = std::mem::take(&mut it.link.past);
        it.link = Recorded::new().link;
        assert!(it.link.take_over(past, GivesWay::Changed, it.now_ms).is_none());
        it.tried(1, CauseCode::Refused);
    }
    it.tried(2, CauseCode::Refused);
    assert_eq!(it.tries, [4]);
    // And so it does when this computer wakes, in a row of its own.
    it.pass(HOUR);
    let (_, row) = it.link.slept(Duration::from_secs(60), it.now_ms).unwrap();
    assert_eq!(row.attempts, 4);
    it.tried(3, CauseCode::Refused);
    assert_eq!(it.tries, [5]);
    it.status(LinkState::Connected, None, 0);
    it.attempt = 0;
    it.status(LinkState::Waiting, Some(CauseCode::Reset), 0);
    it.tried(1, CauseCode::Refused);
    assert_eq!(it.tries, [5, 1], "another outage");
}

#[tokio::test]
async fn a_try_without_a_network_is_none() {
    let mut it = Recorded::new();
    it.status(LinkState::Connected, None, 0);
    it.pass(HOUR);
    it.status(LinkState::Waiting, Some(CauseCode::Reset), 0);
    it.tried(1, CauseCode::Refused);
    for _ in 0..3 {
        it.attempt = 2;
        it.status(LinkState::Connecting, None, 0);
        it.attempt = 1;
        it.status(LinkState::Waiting, Some(CauseCode::Unreachable), 0);
    }
    it.tried(2, CauseCode::Refused);
    assert_eq!(it.tries, [2]);
}

#[tokio::test]
async fn an_outage_does_not_last_while_the_computer_sleeps() {
    let mut it = Recorded::new();
    it.status(LinkState::Connected, None, 0);
    it.pass(HOUR);
    it.status(LinkState::Waiting, Some(CauseCode::Refused), 0);
    it.pass(9 * HOUR);
    it.woke(8 * HOUR);
    it.pass(HOUR);
    it.status(LinkState::Connected, None, 0);
    let expected = [
        (SpanKind::Up, 0.0, Some(1.0)),
        (SpanKind::Down, 1.0, Some(2.0)),
        (SpanKind::Down, 10.0, Some(11.0)),
        (SpanKind::Up, 11.0, None),
    ];
    assert_eq!(it.lasting(), expected);
    assert_eq!(it.strip(), (1.0, 2.0));
    assert_eq!(it.gaps, [(timestamp(START + HOUR), timestamp(START + 11 * HOUR))], "messages are missing all the time");
}

#[tokio::test]
async fn a_pause_and_what_is_younger_than_the_sleep_go_on() {
    let mut it = Recorded::new();
    it.status(LinkState::Paused, None, 0);
    it.pass(10 * HOUR);
    it.woke(8 * HOUR);
    it.status(LinkState::Connected, None, 0);
    it.pass(1);
    it.woke(8 * HOUR);
    it.pass(HOUR - 1);
    assert_eq!(it.lasting(), [(SpanKind::Paused, 0.0, Some(10.0)), (SpanKind::Up, 10.0, None)]);
}

#[tokio::test]
async fn an_older_sockets_verdict_closes_only_rows_before_its_gap() {
    let mut it = Recorded::new();
    for lost in [true, true, false] {
        it.silently(LinkState::Connected, None, 0);
        it.pass(1_000);
        if lost {
            it.silently(LinkState::Waiting, Some(CauseCode::Reset), 0);
            it.pass(1_000);
        }
    }
    // The disk was full: only now it has the spans, and what the second socket said.
    let store = Store::in_memory().unwrap();
    for begin in std::mem::take(&mut it.begun) {
        store.begin_span(begin).await.unwrap();
    }
    let words = [(2, CaughtUp::Recovered { keeps: None }), (3, CaughtUp::Missing(Missing::CursorLost))];
    for (generation, word) in words {
        let closed = it.link.caught_up(Generation(generation), word, it.now_ms).unwrap();
        let rows = store.close_gaps("crm".to_owned(), closed.rows, closed.missing).await.unwrap();
        let missing = |gap| if let GapView::Incomplete { missing, .. } = gap { Some(missing) } else { None };
        let found: Vec<_> = rows.into_iter().map(|(_, gap)| missing(gap)).collect();
        assert_eq!(found, [closed.missing], "the row before socket {generation}");
    }
}

#[tokio::test]
async fn a_gap_ends_though_the_clock_was_set_back_in_it() {
    let mut it = Recorded::new();
    it.silently(LinkState::Connected, None, 0);
    it.pass(HOUR);
    it.silently(LinkState::Waiting, Some(CauseCode::Reset), 0);
    it.pass(-HOUR / 2);
    it.silently(LinkState::Connected, None, 0);
    let store = Store::in_memory().unwrap();
    for begin in std::mem::take(&mut it.begun) {
        store.begin_span(begin).await.unwrap();
    }
    let closed = it.link.caught_up(Generation(2), CaughtUp::Recovered { keeps: None }, it.now_ms).unwrap();
    let rows = store.close_gaps("crm".to_owned(), closed.rows, closed.missing).await.unwrap();
    assert_eq!(rows.into_iter().map(|(_, gap)| gap).collect::<Vec<_>>(), [GapView::Complete { recovered: 0 }]);
    let Event::Gap { from, to, .. } = closed.event else { panic!("{:?}", closed.event) };
    assert!(from <= to);
}
