//! Wrong traces, one kind a promise: the judge objects to each, and to nothing that a good link does.

use std::time::Duration;

use heartwire_core::cause::CauseCode;
use heartwire_core::time::Moment;
use heartwire_core::view::LinkState::{self, Blocked, Connected, Connecting, Paused, Stopped, Waiting};

use super::{Bounds, Checker, Rules, Tally};
use crate::trace::{Said, Status, Told, Why};

/// A step: when (in ms), what the link is told, and what it says.
type Step = (u64, Told, Vec<Said>);

const LOST: Why = Why::new(CauseCode::Reset);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(at: u64) -> Moment {
    Moment::new(ms(1_000_000 + at))
}

/// N is 10 s, M is 5 s, delays are drawn from 500 ms to 30 s, a dial takes 10 s at most.
fn rules() -> Rules {
    Rules {
        every: ms(10_000),
        timeout: ms(5_000),
        probes: true,
        always: false,
        first: ms(500),
        cap: ms(30_000),
        fixed: None,
        spread: true,
        connect_timeout: ms(10_000),
        texts: Bounds { count: 3, age: ms(60_000) },
    }
}

fn exact() -> Rules {
    Rules { spread: false, ..rules() }
}

fn shows(state: LinkState, generation: u64, attempt: u32, retry_at: Option<u64>) -> Said {
    Said::Status(Status { state, generation, attempt, retry_at: retry_at.map(at), cause: None })
}

/// The first socket is up from 100 ms on.
fn up() -> Vec<Step> {
    vec![
        (0, Told::Start, vec![Said::Dial(1), shows(Connecting, 1, 1, None)]),
        (100, Told::DialOk(1), vec![shows(Connected, 1, 0, None)]),
    ]
}

/// The first dial has just failed, at 1 s.
fn failed(why: Why, then: Vec<Said>) -> Vec<Step> {
    vec![(0, Told::Start, vec![Said::Dial(1), shows(Connecting, 1, 1, None)]), (1_000, Told::DialFailed(1, why), then)]
}

fn up_then(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    up().into_iter().chain(steps).collect()
}

fn failed_then(why: Why, then: Said, steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    failed(why, vec![then]).into_iter().chain(steps).collect()
}

/// Which promise the last step breaks; all before it are fine.
fn broken_by(rules: Rules, steps: &[Step]) -> Option<u8> {
    let mut checker = Checker::new(rules);
    for (number, (when, told, said)) in steps.iter().enumerate() {
        let now = at(*when);
        let verdict = checker
            .told(now, told)
            .and_then(|()| said.iter().try_for_each(|said| checker.said(now, said)))
            .and_then(|()| checker.settled(now, None));
        if let Err(violation) = verdict {
            assert_eq!(number + 1, steps.len(), "objects too soon, to {told:?}: {violation:?}");
            return Some(violation.invariant);
        }
    }
    None
}

#[track_caller]
fn check(invariant: u8, steps: &[Step]) {
    assert_eq!(broken_by(rules(), steps), Some(invariant));
}

#[track_caller]
fn fine(steps: &[Step]) {
    assert_eq!(broken_by(rules(), steps), None);
}

fn timeout(when: u64, said: Vec<Said>) -> Step {
    (when, Told::Timeout, said)
}

fn beat(when: u64) -> Step {
    timeout(when, vec![Said::Beat(1)])
}

fn dies(when: u64) -> Step {
    timeout(when, vec![Said::Abort(1), shows(Waiting, 1, 0, Some(when + 200))])
}

#[test]
fn a_good_day_breaks_nothing() {
    fine(&up_then([
        beat(10_100),
        (10_200, Told::Bytes(1), vec![]),
        (10_200, Told::Answered(1), vec![Said::RoundTrip(ms(100))]),
        beat(20_200),
        dies(25_200),
        timeout(25_400, vec![Said::Dial(2), shows(Connecting, 2, 1, None)]),
        (26_000, Told::DialOk(2), vec![shows(Connected, 2, 0, None)]),
        (27_000, Told::Pause, vec![Said::Close(2, 1000), shows(Paused, 2, 0, None)]),
        (27_100, Told::Closed(2, LOST), vec![]),
    ]));
}

#[test]
fn invariant_1_dead_too_early_or_too_late() {
    check(1, &up_then([beat(10_100), dies(15_000)]));
    check(1, &up_then([dies(15_100)]));
    check(1, &up_then([beat(10_100), timeout(15_151, vec![])]));
    let silent = Rules { probes: false, ..rules() };
    assert_eq!(broken_by(silent, &up_then([dies(15_099)])), Some(1));
    assert_eq!(broken_by(silent, &up_then([dies(15_100)])), None);
}

#[test]
fn invariant_3_a_dead_socket_is_not_closed_politely() {
    check(3, &up_then([beat(10_100), timeout(15_100, vec![Said::Close(1, 1000)])]));
}

#[test]
fn invariant_4_a_pause_closes_with_a_code_that_may_be_sent() {
    check(4, &up_then([(5_000, Told::Pause, vec![Said::Close(1, 1006)])]));
    check(4, &up_then([(5_000, Told::Pause, vec![Said::Abort(1)])]));
}

#[test]
fn invariant_5_any_byte_is_life() {
    let steps = up_then([beat(10_100), (14_000, Told::Bytes(1), vec![]), dies(15_100)]);
    check(1, &steps);
}

#[test]
fn invariant_6_what_comes_does_not_excuse_our_silence() {
    let always = Rules { always: true, ..rules() };
    let hears = |when| (when, Told::Bytes(1), vec![]);
    let steps = up_then([hears(4_000), hears(8_000), hears(10_151)]);
    assert_eq!(broken_by(always, &steps), Some(6));
    fine(&steps);
}

#[test]
fn invariant_8_no_heartbeat_before_its_time_or_for_another_socket() {
    check(8, &up_then([beat(9_000)]));
    check(8, &up_then([timeout(10_100, vec![Said::Beat(2)])]));
    check(8, &up_then([beat(10_100), (10_200, Told::Answered(1), vec![Said::RoundTrip(ms(99))])]));
    check(8, &up_then([beat(10_100), timeout(10_200, vec![Said::RoundTrip(ms(100))])]));
    // The heartbeat was sent, but on the socket before.
    check(
        8,
        &up_then([
            beat(10_100),
            dies(15_100),
            timeout(15_300, vec![Said::Dial(2), shows(Connecting, 2, 1, None)]),
            (15_400, Told::DialOk(2), vec![shows(Connected, 2, 0, None)]),
            (15_500, Told::Answered(2), vec![Said::RoundTrip(ms(5_400))]),
        ]),
    );
}

#[test]
fn invariant_10_our_own_pause_is_not_the_peers_death() {
    let paused = (5_000, Told::ReadingPaused(1), vec![]);
    check(10, &up_then([paused.clone(), timeout(11_000, vec![Said::Beat(1)]), dies(20_000)]));
    fine(&up_then([paused, timeout(40_000, vec![])]));
}

#[test]
fn invariant_11_one_socket_at_a_time() {
    check(11, &up_then([timeout(5_000, vec![Said::Dial(2)])]));
    check(11, &up_then([(5_000, Told::Pause, vec![Said::Abort(2)])]));
    let reconnects = (5_000, Told::Reconnect, vec![Said::Close(1, 1000), shows(Waiting, 1, 0, Some(5_000))]);
    check(11, &up_then([reconnects, timeout(5_100, vec![Said::Dial(2)])]));
    // The end of another socket is nobody's business.
    check(11, &up_then([(5_000, Told::Closed(7, LOST), vec![shows(Waiting, 1, 0, Some(5_100))])]));
    let shown = vec![shows(Connected, 1, 0, None)];
    check(11, &[(0, Told::Start, vec![Said::Dial(1)]), (10, Told::DialOk(9), shown)]);
}

#[test]
fn invariant_12_a_dial_that_never_comes() {
    check(12, &[(0, Told::Start, vec![shows(Waiting, 0, 0, Some(0))]), timeout(1_051, vec![])]);
    let waits = shows(Waiting, 1, 1, Some(1_400));
    check(12, &failed_then(LOST, waits, [timeout(1_451, vec![])]));
    check(12, &failed(LOST, vec![shows(Waiting, 1, 1, None)]));
    let mut checker = Checker::new(rules());
    checker.told(at(0), &Told::Timeout).unwrap();
    assert_eq!(checker.settled(at(0), Some(at(0))).unwrap_err().invariant, 12);
}

#[test]
fn invariant_13_a_dial_ends_in_time_and_not_before() {
    let dials = (0, Told::Start, vec![Said::Dial(1), shows(Connecting, 1, 1, None)]);
    check(13, &[dials.clone(), timeout(10_101, vec![])]);
    check(13, &[dials, timeout(9_000, vec![Said::Abort(1)])]);
}

#[test]
fn invariant_14_delays_at_the_cap_vary() {
    let mut tally = Tally::default();
    let same = (0..9).find_map(|_| tally.at_the_cap(0.7).err());
    assert_eq!(same.unwrap().invariant, 14);
    let mut clamped = Tally::default();
    for delay in 0..2_000_u32 {
        // Jitter first, clamp afterwards: half of them are the cap.
        clamped.at_the_cap.add((0.5 + f64::from(delay) / 2_000.0).min(1.0));
    }
    assert_eq!(clamped.check().unwrap_err().invariant, 14);
    let mut even = Tally::default();
    for delay in 0..2_000_u32 {
        even.at_the_cap.add(f64::from(delay) / 2_000.0);
    }
    even.check().unwrap();
}

#[test]
fn invariant_15_two_dials_within_250_ms() {
    let fails = (50, Told::DialFailed(1, LOST), vec![shows(Waiting, 1, 1, Some(250))]);
    let dials = (0, Told::Start, vec![Said::Dial(1), shows(Connecting, 1, 1, None)]);
    check(15, &[dials.clone(), fails, (249, Told::Reconnect, vec![Said::Dial(2)])]);
    check(16, &[dials, (50, Told::DialFailed(1, LOST), vec![shows(Waiting, 1, 1, Some(700))])]);
}

#[test]
fn invariant_16_accept_then_close_backs_off() {
    // The delay doubles while sockets live for a second only; a link that starts anew would wait 500 ms again.
    let short = |delay: u64| {
        up_then([
            (1_100, Told::Closed(1, LOST), vec![shows(Waiting, 1, 0, Some(1_600))]),
            timeout(1_600, vec![Said::Dial(2), shows(Connecting, 2, 1, None)]),
            (1_700, Told::DialOk(2), vec![shows(Connected, 2, 0, None)]),
            (2_700, Told::Closed(2, LOST), vec![shows(Waiting, 2, 0, Some(2_700 + delay))]),
        ])
    };
    assert_eq!(broken_by(exact(), &short(1_000)), None);
    assert_eq!(broken_by(exact(), &short(500)), Some(16));
    assert_eq!(broken_by(exact(), &short(2_000)), Some(16));
    // Drawn at random one delay proves nothing, many do.
    let mut tally = Tally::default();
    for delay in 0..2_000_u32 {
        tally.after_short_lives.add(f64::from(delay) / 8_000.0);
    }
    assert_eq!(tally.check().unwrap_err().invariant, 16);
}

#[test]
fn invariant_17_refused_credentials_block() {
    let refused = Why::new(CauseCode::Unauthorized);
    let blocked = |retry_at| shows(Blocked, 1, 1, Some(retry_at));
    check(17, &failed(refused, vec![shows(Waiting, 1, 1, Some(1_100))]));
    check(17, &failed(refused, vec![blocked(200_000)]));
    check(17, &failed_then(refused, blocked(302_000), [(9_000, Told::NetworkChanged(false), vec![Said::Dial(2)])]));
    check(17, &failed(refused, vec![blocked(302_000), blocked(302_000)]));
    check(17, &failed_then(refused, blocked(302_000), [(9_000, Told::CredentialsChanged, vec![])]));
    fine(&failed_then(
        refused,
        blocked(302_000),
        [timeout(302_000, vec![Said::Dial(2), shows(Connecting, 2, 2, None)])],
    ));
}

#[test]
fn invariant_18_nothing_but_the_person_undercuts_retry_after() {
    let asks = Why { retry_after: Some(ms(60_000)), ..Why::new(CauseCode::Http(503)) };
    let waits = shows(Waiting, 1, 1, Some(62_000));
    check(18, &failed(asks, vec![shows(Waiting, 1, 1, Some(31_000))]));
    check(18, &failed(asks, vec![shows(Waiting, 1, 1, Some(70_000))]));
    check(18, &failed_then(asks, waits, [(30_000, Told::NetworkChanged(false), vec![Said::Dial(2)])]));
    check(18, &failed_then(asks, waits, [(30_000, Told::Resumed(ms(20_000)), vec![Said::Dial(2)])]));
    fine(&failed_then(asks, waits, [(30_000, Told::Reconnect, vec![Said::Dial(2), shows(Connecting, 2, 2, None)])]));
}

#[test]
fn invariant_19_each_close_code_means_what_it_says() {
    let closed = |code, said| up_then([(1_000, Told::Closed(1, Why::new(CauseCode::Closed(code))), vec![said])]);
    let waits = |delay: u64| shows(Waiting, 1, 0, Some(1_000 + delay));
    for (code, least, most) in [(1012, 5_000, 30_000), (1013, 27_000, 30_000)] {
        check(19, &closed(code, waits(least - 1)));
        check(19, &closed(code, waits(most + 1)));
        fine(&closed(code, waits(least)));
        fine(&closed(code, waits(most)));
    }
    for code in [1008, 3500, 3999, 4500, 4999] {
        check(19, &closed(code, waits(300)));
        check(19, &closed(code, shows(Blocked, 1, 0, Some(400_000))));
        fine(&closed(code, shows(Blocked, 1, 0, None)));
    }
    for code in [1000, 1001, 1006, 1011] {
        check(20, &closed(code, shows(Blocked, 1, 0, None)));
        check(20, &closed(code, waits(501)));
        fine(&closed(code, waits(500)));
    }
}

#[test]
fn invariant_20_a_close_by_the_peer_leads_to_a_dial() {
    let closed = |said| up_then([(1_000, Told::Closed(1, Why::new(CauseCode::Closed(1000))), said)]);
    check(20, &closed(vec![]));
    check(20, &closed(vec![shows(Stopped, 1, 0, None)]));
}

#[test]
fn invariant_21_resume_data_are_dropped_after_three_refusals() {
    let refused = Why::new(CauseCode::Http(404));
    let fails = |generation: u64, said: Vec<Said>| {
        let when = 1_000 * generation;
        let waits = shows(Waiting, generation, u32::try_from(generation).unwrap(), Some(when + 500));
        (when, Told::DialFailed(generation, refused), [said, vec![waits]].concat())
    };
    let dials = |generation: u64| {
        let attempt = u32::try_from(generation).unwrap();
        timeout(1_000 * generation - 500, vec![Said::Dial(generation), shows(Connecting, generation, attempt, None)])
    };
    let known = (0, Told::ResumeFrom(5), vec![]);
    let starts = (0, Told::Start, vec![Said::Dial(1), shows(Connecting, 1, 1, None)]);
    let dropped = || vec![Said::ResumeDropped(5)];
    let begin = vec![known.clone(), starts.clone(), fails(1, vec![]), dials(2)];
    let then = |steps: Vec<Step>| [begin.clone(), steps].concat();
    check(21, &then(vec![fails(2, dropped())]));
    check(21, &then(vec![fails(2, vec![]), dials(3), fails(3, vec![])]));
    fine(&then(vec![fails(2, vec![]), dials(3), fails(3, dropped())]));
    check(21, &[starts, (1_000, Told::DialFailed(1, refused), dropped())]);
}

#[test]
fn invariant_22_many_reasons_one_dial() {
    let moved = |said| (5_000, Told::NetworkChanged(true), said);
    let dials = |generation| vec![Said::Dial(generation), shows(Connecting, generation, 1, None)];
    check(
        22,
        &up_then([
            moved([vec![Said::Abort(1)], dials(2)].concat()),
            (5_000, Told::Reconnect, vec![]),
            (5_000, Told::NetworkChanged(false), vec![Said::Abort(2), shows(Waiting, 2, 1, Some(5_250))]),
            timeout(5_250, vec![Said::Dial(3)]),
        ]),
    );
    fine(&up_then([moved([vec![Said::Abort(1)], dials(2)].concat()), (5_000, Told::Reconnect, vec![])]));
}

#[test]
fn invariant_23_after_a_long_sleep_a_dial_after_a_short_one_a_probe() {
    check(23, &up_then([(30_000, Told::Resumed(ms(15_001)), vec![])]));
    check(23, &up_then([(30_000, Told::Resumed(ms(15_001)), vec![Said::Beat(1)])]));
    check(23, &up_then([(8_000, Told::Resumed(ms(5_000)), vec![])]));
    let probes = (8_000, Told::Resumed(ms(5_000)), vec![Said::Beat(1)]);
    check(1, &up_then([probes.clone(), dies(9_999)]));
    check(1, &up_then([(8_000, Told::Resumed(ms(5_000)), vec![Said::Abort(1)])]));
    fine(&up_then([probes.clone(), dies(10_000)]));
    check(23, &up_then([probes, timeout(10_051, vec![])]));
    // On the drop path the dial starts within a second.
    let drops = |delay: u64| {
        let said = vec![Said::Abort(1), shows(Waiting, 1, 0, Some(30_000 + delay))];
        up_then([(30_000, Told::Resumed(ms(15_001)), said)])
    };
    check(23, &drops(1_001));
    fine(&drops(1_000));
    let wrong =
        Status { state: Waiting, generation: 1, attempt: 0, retry_at: Some(at(30_000)), cause: Some(CauseCode::Reset) };
    check(23, &up_then([(30_000, Told::Resumed(ms(15_001)), vec![Said::Abort(1), Said::Status(wrong)])]));
    let waits = shows(Waiting, 1, 1, Some(1_400));
    check(23, &failed_then(LOST, waits, [(60_000, Told::Resumed(ms(58_900)), vec![]), timeout(61_051, vec![])]));
}

#[test]
fn invariant_24_a_moved_path_forces_a_dial_and_offline_does_not_stop_them() {
    check(24, &up_then([(5_000, Told::NetworkChanged(true), vec![])]));
    check(24, &up_then([(5_000, Told::NetworkChanged(true), vec![Said::Beat(1)])]));
    fine(&up_then([(5_000, Told::NetworkChanged(false), vec![Said::Beat(1)])]));
    let offline = Why { offline: true, ..Why::new(CauseCode::Unreachable) };
    check(25, &failed_then(offline, shows(Waiting, 1, 0, Some(80_000)), [timeout(80_051, vec![])]));
    check(12, &failed(offline, vec![shows(Stopped, 1, 0, None)]));
}

#[test]
fn invariant_25_no_network_is_no_failed_attempt_and_few_wakeups() {
    let offline = Why { offline: true, ..Why::new(CauseCode::Unreachable) };
    check(25, &failed(offline, vec![shows(Waiting, 1, 1, Some(70_000))]));
    check(25, &failed(offline, vec![shows(Waiting, 1, 0, Some(2_000))]));
    check(25, &failed(offline, vec![shows(Waiting, 1, 0, Some(92_000))]));
    let wakes = (0..61).map(|number| timeout(2_000 + number * 100, vec![]));
    check(25, &failed_then(offline, shows(Waiting, 1, 0, Some(80_000)), wakes));
}

#[test]
fn invariant_27_texts_are_sent_once_in_turn_in_time_or_refused() {
    let asks = |id, said| (1_050, Told::Send(id), said);
    let waits = shows(Waiting, 1, 1, Some(1_400));
    let held = |steps: Vec<Step>| failed_then(LOST, waits, steps);
    check(27, &up_then([asks(1, vec![])]));
    check(27, &up_then([asks(1, vec![Said::Text(2, 1)])]));
    check(27, &up_then([asks(1, vec![Said::Refused(1)])]));
    check(27, &up_then([asks(1, vec![Said::Text(1, 1), Said::Text(1, 1)])]));
    check(27, &up_then([asks(1, vec![Said::Text(1, 1)]), timeout(2_000, vec![Said::Refused(1)])]));
    // Too many, too old, and not said no to when the person pauses.
    check(27, &held((1..=4).map(|id| asks(id, vec![])).collect()));
    let again = (1_400, Told::Timeout, vec![Said::Dial(2), shows(Connecting, 2, 2, None)]);
    let open = |said| (1_500, Told::DialOk(2), [vec![shows(Connected, 2, 0, None)], said].concat());
    let two = || held(vec![asks(1, vec![]), asks(2, vec![]), again.clone()]);
    let then = |step: Step| [two(), vec![step]].concat();
    check(27, &then(open(vec![Said::Text(2, 2), Said::Text(2, 1)])));
    check(27, &then(open(vec![Said::Text(2, 1)])));
    fine(&then(open(vec![Said::Text(2, 1), Said::Text(2, 2)])));
    check(27, &then((1_500, Told::Pause, vec![Said::Abort(2), shows(Paused, 2, 0, None)])));
    let young = Rules { texts: Bounds { count: 3, age: ms(100) }, ..rules() };
    assert_eq!(broken_by(young, &held(vec![asks(1, vec![]), timeout(1_201, vec![])])), Some(27));
}

#[test]
fn invariant_30_a_stop_takes_a_second_and_is_for_good() {
    let stops = (5_000, Told::Stop, vec![Said::Close(1, 1001), shows(Stopped, 1, 0, None)]);
    check(30, &up_then([stops.clone(), timeout(6_051, vec![])]));
    check(30, &up_then([stops.clone(), (5_100, Told::Closed(1, LOST), vec![]), timeout(9_000, vec![Said::Dial(2)])]));
    check(30, &up_then([(5_000, Told::Stop, vec![])]));
    fine(&up_then([stops, timeout(6_000, vec![Said::Abort(1)])]));
    let mut checker = Checker::new(rules());
    checker.told(at(0), &Told::Start).unwrap();
    checker.said(at(0), &Said::Dial(1)).unwrap();
    assert_eq!(checker.finished().unwrap_err().invariant, 30);
}
