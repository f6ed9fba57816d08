//! What a link makes of the computer it runs on: sleep, other networks and none. Named after the numbered promises.

mod link_rig;

use std::time::Duration;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::link::{Generation, HeartbeatKind, Input, LinkSettings, Output, Path, WAKE_PROBE};
use heartwire_core::view::LinkState;
use link_rig::{EVERY, Rig, TIMEOUT, beat, cause, ms, settings};

const HOUR: u64 = 3_600_000;

/// Time passes without the link being run, then it is told.
fn sleep(rig: &mut Rig, milliseconds: u64) {
    rig.now = rig.now + ms(milliseconds);
    rig.input(Input::Resumed(ms(milliseconds)));
}

fn offline() -> Cause {
    Cause { offline: true, ..cause(CauseCode::Unreachable) }
}

fn quick() -> LinkSettings {
    let mut settings = settings();
    settings.heartbeat.timeout = ms(1_000);
    settings
}

#[test]
fn invariant_23_a_sleep_longer_than_every_and_timeout_is_the_end_of_the_socket() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(3_000);
    rig.take();
    sleep(&mut rig, EVERY + TIMEOUT + 1);
    let woke = rig.at();
    let said: Vec<_> = rig.take().into_iter().map(|(at, output)| (at - woke, output)).collect();
    let [(0, Output::Abort(aborted)), (0, Output::Status(waiting)), (0, Output::Dial(dialled)), ..] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((*aborted, *dialled), (generation, Generation(2)));
    assert_eq!(waiting.cause.as_ref().map(|cause| cause.code), Some(CauseCode::Slept));
    assert_eq!(waiting.silent_for, ms(3_000 + EVERY + TIMEOUT + 1), "messages may be missing since it was last heard");
}

#[test]
fn invariant_23_a_shorter_sleep_is_followed_by_a_probe_with_two_seconds_to_answer() {
    for slept in [1, 4_000, EVERY + TIMEOUT] {
        // The peer answers.
        let (mut rig, generation) = Rig::connected(settings());
        rig.wait(9_000);
        rig.take();
        sleep(&mut rig, slept);
        let woke = rig.at();
        assert_eq!(rig.take(), [(woke, beat(generation))], "after {slept} ms");
        rig.wait(1_999);
        rig.input(Input::Bytes(generation));
        rig.wait(EVERY - 1);
        assert_eq!((rig.state(), rig.take()), (LinkState::Connected, Vec::new()));

        // It does not.
        let (mut rig, generation) = Rig::connected(settings());
        rig.wait(9_000);
        sleep(&mut rig, slept);
        let woke = rig.at();
        rig.wait(10_000);
        assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [woke + 2_000], "after {slept} ms");
        assert_eq!(WAKE_PROBE, ms(2_000));
    }
}

#[test]
fn invariant_23_a_heartbeat_from_before_the_sleep_is_not_waited_for() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(EVERY + TIMEOUT - 1);
    rig.take();
    sleep(&mut rig, 5_000);
    let woke = rig.at();
    assert_eq!(rig.take(), [(woke, beat(generation))], "its answer may have come while nobody was there to hear it");
    rig.wait(1_999);
    assert_eq!(rig.state(), LinkState::Connected);
}

#[test]
fn invariant_23_a_connection_that_gives_less_time_keeps_to_that() {
    let (mut rig, generation) = Rig::connected(quick());
    rig.wait(500);
    sleep(&mut rig, 5_000);
    let woke = rig.at();
    rig.wait(10_000);
    assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [woke + 1_000]);
}

#[test]
fn invariant_23_where_only_silence_is_watched_the_peer_has_two_seconds_too() {
    let mut settings = settings();
    settings.heartbeat.kind = HeartbeatKind::None;
    let (mut rig, generation) = Rig::connected(settings);
    rig.wait(5_000);
    sleep(&mut rig, EVERY + TIMEOUT);
    let woke = rig.at();
    rig.wait(10_000);
    assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [woke + 2_000]);
}

#[test]
fn invariant_23_waiting_ends_with_the_sleep_and_a_dial_from_before_it_is_made_anew() {
    let mut settings = settings();
    settings.backoff.fixed = Some(ms(20_000));
    let (mut rig, generation) = Rig::connected(settings);
    rig.wait(1_000);
    rig.input(Input::Closed(generation, cause(CauseCode::Reset)));
    rig.wait(1_000);
    rig.take();
    sleep(&mut rig, 2_000);
    let woke = rig.at();
    assert_eq!(rig.dials(), [woke]);
    // In the middle of that dial it falls asleep again.
    rig.wait(3_000);
    rig.take();
    sleep(&mut rig, HOUR);
    let woke = rig.at();
    assert_eq!(rig.times(|output| matches!(output, Output::Abort(_))), [woke]);
    assert_eq!(rig.dials(), [woke], "and not a failure after which it would wait");
    assert_eq!(rig.state(), LinkState::Connecting);
}

#[test]
fn invariant_23_what_the_person_stopped_stays_so() {
    for stop in [Input::Pause, Input::Stop] {
        let mut rig = Rig::new(settings());
        rig.input(stop);
        rig.take();
        sleep(&mut rig, HOUR);
        rig.input(Input::NetworkChanged(Path::Moved));
        rig.wait(HOUR);
        assert_eq!(rig.take(), []);
    }
    let (mut rig, generation) = Rig::connected(settings());
    rig.input(Input::Closed(generation, cause(CauseCode::Closed(1008))));
    rig.take();
    sleep(&mut rig, HOUR);
    rig.input(Input::NetworkChanged(Path::Moved));
    assert_eq!((rig.state(), rig.take()), (LinkState::Blocked, Vec::new()));
}

#[test]
fn invariant_23_a_wake_without_missing_time_is_only_a_hint() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(2_000);
    rig.input(Input::Resumed(Duration::ZERO));
    let woke = rig.at();
    assert_eq!(rig.take(), [(woke, beat(generation))]);
    rig.wait(TIMEOUT - 1);
    assert_eq!(rig.state(), LinkState::Connected);
}

#[test]
fn invariant_24_another_local_address_forces_a_dial() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(1_000);
    rig.input(Input::NetworkChanged(Path::Moved));
    let moved = rig.at();
    assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [moved]);
    assert_eq!(rig.dials(), [moved]);
    assert_eq!(rig.cause(), Some(CauseCode::NetworkChanged));
}

#[test]
fn invariant_24_a_change_that_leaves_the_path_is_a_hint_to_probe() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(1_000);
    for _ in 0..3 {
        rig.input(Input::NetworkChanged(Path::Same));
    }
    let hinted = rig.at();
    assert_eq!(rig.take(), [(hinted, beat(generation))], "once, however often it is said");
    rig.input(Input::Bytes(generation));
    rig.wait(TIMEOUT);
    assert_eq!(rig.state(), LinkState::Connected);
    rig.input(Input::NetworkChanged(Path::Same));
    let hinted = rig.at();
    rig.wait(TIMEOUT);
    assert_eq!(
        rig.times(|output| *output == Output::Abort(generation)),
        [hinted + TIMEOUT],
        "the answer is due as ever"
    );
}

#[test]
fn invariant_24_and_25_offline_never_stops_the_dialling_and_wakes_at_most_sixty_times_an_hour() {
    for seed in 0..20 {
        let mut rig = Rig::seeded(settings(), seed);
        rig.input(Input::Start);
        let start = rig.at();
        let mut dials = 0;
        while rig.at() < start + 10 * HOUR {
            let generation = rig.generation();
            rig.input(Input::DialFailed(generation, offline()));
            assert_eq!(rig.link.status().attempt, 0, "the server had no part in it");
            rig.wait_for_dial(90_000);
            dials += 1;
        }
        assert!((10 * 40..=10 * 60).contains(&dials), "{dials} dials in ten hours");
    }
}

#[test]
fn invariant_25_without_a_network_the_backoff_does_not_grow() {
    let mut settings = settings();
    settings.backoff.jitter = heartwire_core::link::Jitter::None;
    let mut rig = Rig::new(settings);
    rig.input(Input::Start);
    for _ in 0..20 {
        let generation = rig.generation();
        rig.input(Input::DialFailed(generation, offline()));
        rig.wait_for_dial(90_000);
    }
    let generation = rig.generation();
    rig.input(Input::DialFailed(generation, cause(CauseCode::Refused)));
    assert_eq!(rig.wait_for_dial(30_000), 500, "the first failure of the server's");
    assert_eq!(rig.link.status().attempt, 2);
}

#[test]
fn invariant_25_a_network_that_comes_back_is_used_at_once() {
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    let generation = rig.generation();
    rig.input(Input::DialFailed(generation, offline()));
    rig.wait(5_000);
    rig.take();
    rig.input(Input::NetworkChanged(Path::Same));
    assert_eq!(rig.dials(), [rig.at()]);
}

#[test]
fn invariant_22_wake_and_network_change_together_cause_one_dial_in_any_order() {
    let orders = [
        [Input::Resumed(ms(HOUR)), Input::NetworkChanged(Path::Moved), Input::Reconnect],
        [Input::NetworkChanged(Path::Moved), Input::Resumed(ms(HOUR)), Input::Reconnect],
        [Input::Resumed(ms(HOUR)), Input::Resumed(ms(HOUR)), Input::NetworkChanged(Path::Moved)],
        [Input::Reconnect, Input::Resumed(ms(HOUR)), Input::NetworkChanged(Path::Moved)],
    ];
    for order in orders {
        let (mut rig, generation) = Rig::connected(settings());
        rig.wait(1_000);
        rig.now = rig.now + ms(HOUR);
        for input in order.clone() {
            rig.input(input);
        }
        rig.input(Input::Closed(generation, cause(CauseCode::Closed(1000))));
        rig.wait(5_000);
        assert_eq!(rig.dials().len(), 1, "{order:?}");
    }
}

#[test]
fn invariant_26_the_wall_clock_cannot_be_told_to_a_link() {
    // The only time a link knows is the `now` of its caller, which counts from an origin of its own: the same day with
    // another origin is the same day.
    let day = |origin: u64| {
        let mut rig = Rig::new(settings());
        rig.now = heartwire_core::time::Moment::new(ms(origin));
        rig.input(Input::Start);
        let generation = rig.dial_ok();
        rig.wait(100_000);
        rig.input(Input::Closed(generation, cause(CauseCode::Reset)));
        rig.wait(100_000);
        let said = rig.take().into_iter().map(|(at, output)| match output {
            Output::Status(status) => (at - origin, format!("{:?} {:?}", status.state, status.cause)),
            other => (at - origin, format!("{other:?}")),
        });
        said.collect::<Vec<_>>()
    };
    let usual = day(1_000_000);
    assert!(usual.len() > 10, "{usual:?}");
    assert_eq!(day(0), usual);
    assert_eq!(day(86_400_000), usual);
}

#[test]
fn invariant_24_a_dial_from_before_a_change_that_fails_is_followed_by_another_at_once() {
    let hints = [
        Input::NetworkChanged(Path::Same),
        Input::NetworkChanged(Path::Moved),
        Input::Resumed(Duration::ZERO),
        Input::Reconnect,
        Input::CredentialsChanged,
    ];
    for hint in hints {
        let mut settings = settings();
        settings.backoff.fixed = Some(ms(20_000));
        let mut rig = Rig::new(settings);
        rig.input(Input::Start);
        rig.wait(5_000);
        rig.take();
        rig.input(hint.clone());
        rig.wait(5_000);
        let failing = rig.generation();
        rig.input(Input::DialFailed(failing, cause(CauseCode::ConnectTimeout)));
        rig.wait(250);
        assert_eq!(rig.dials().len(), 1, "{hint:?}");
        // Once: the next failure waits as ever.
        let failing = rig.generation();
        rig.input(Input::DialFailed(failing, cause(CauseCode::Refused)));
        assert!(rig.wait_for_dial(22_000) >= 18_000, "{hint:?}");
    }
}

#[test]
fn invariant_18_also_after_a_hint_a_failing_dial_keeps_to_what_the_server_asked_for() {
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    rig.input(Input::NetworkChanged(Path::Moved));
    let failing = rig.generation();
    let refused = Cause { retry_after: Some(ms(60_000)), ..cause(CauseCode::Http(503)) };
    rig.input(Input::DialFailed(failing, refused));
    assert!(rig.wait_for_dial(70_000) >= 60_000);
}
