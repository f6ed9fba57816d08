//! What a link holds while it is not up: when it dials, when it waits and when it gives up. Named after the numbered
//! promises of the link.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod link_rig;

use std::collections::BTreeSet;
use std::time::Duration;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::link::{Backoff, DIAL_GAP, Generation, Input, Jitter, LinkSettings, Output, Path};
use heartwire_core::view::LinkState;
use link_rig::{EVERY, Rig, TIMEOUT, cause, ms, settings};

const BY_PERSON: Input = Input::Reconnect;
const ENVIRONMENT: Input = Input::NetworkChanged(Path::Same);

fn with_backoff(change: impl FnOnce(&mut Backoff)) -> LinkSettings {
    let mut settings = settings();
    change(&mut settings.backoff);
    settings
}

/// The delay after a loss, with what the link then says of itself. None: no dial is planned.
fn after_loss(rig: &mut Rig, cause: Cause) -> Option<u64> {
    rig.take();
    let generation = rig.generation();
    rig.input(Input::Closed(generation, cause));
    let at = rig.link.status().retry_at?;
    Some(u64::try_from(at.since(rig.now).as_millis()).unwrap())
}

/// Fails every dial, `times` times, and gives the delays.
fn delays_of_failing(settings: LinkSettings, seed: u64, times: usize) -> Vec<u64> {
    let mut rig = Rig::seeded(settings, seed);
    rig.input(Input::Start);
    let mut delays = Vec::new();
    for _ in 0..times {
        // Long enough for the gap between dials not to show in the delays.
        rig.wait(1_000);
        rig.take();
        let generation = rig.generation();
        rig.input(Input::DialFailed(generation, cause(CauseCode::Refused)));
        delays.push(rig.wait_for_dial(120_000));
    }
    delays
}

#[test]
fn invariant_11_the_old_socket_is_gone_before_the_next_dial() {
    // Closing takes its time, and the person wants the link back at once.
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(5_000);
    rig.input(Input::Pause);
    rig.input(Input::Start);
    assert!(rig.dials().is_empty());
    rig.wait(300);
    rig.input(Input::Closed(generation, cause(CauseCode::Closed(1000))));
    assert_eq!(rig.dials(), [rig.at()]);

    // The peer does not answer the close.
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(5_000);
    rig.input(Input::Pause);
    rig.input(Input::Start);
    rig.wait(1_000);
    let order: Vec<_> =
        rig.take().into_iter().filter(|(_, output)| matches!(output, Output::Abort(_) | Output::Dial(_))).collect();
    assert_eq!(order, [(rig.at(), Output::Abort(generation)), (rig.at(), Output::Dial(Generation(2)))]);
}

#[test]
fn invariant_11_events_of_an_older_socket_are_ignored() {
    let (mut rig, old) = Rig::connected(settings());
    after_loss(&mut rig, cause(CauseCode::Reset));
    rig.wait_for_dial(30_000);
    rig.dial_ok();
    rig.take();
    let (status, timeout) = (rig.link.status().clone(), rig.link.poll_timeout());
    rig.wait(1);
    for input in [
        Input::DialOk(old),
        Input::DialFailed(old, cause(CauseCode::Refused)),
        Input::Bytes(old),
        Input::HeartbeatAnswered(old),
        Input::ReadingPaused(old),
        Input::ReadingResumed(old),
        Input::Fatal(old, cause(CauseCode::Unauthorized)),
        Input::Closed(old, cause(CauseCode::Closed(1008))),
    ] {
        rig.input(input.clone());
        assert_eq!(rig.take(), [], "{input:?}");
        assert_eq!((rig.link.status(), rig.link.poll_timeout()), (&status, timeout), "{input:?}");
    }
}

#[test]
fn invariant_12_from_every_state_that_is_not_final_a_dial_starts_within_the_cap() {
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    assert_eq!(rig.dials(), [rig.at()], "the first one at once");
    for round in 0..200_u16 {
        rig.take();
        let generation = rig.generation();
        match round % 4 {
            0 => rig.input(Input::DialFailed(generation, cause(CauseCode::Dns))),
            1 => rig.wait(10_050),
            2 => {
                rig.dial_ok();
                rig.input(Input::Closed(generation, cause(CauseCode::Closed(1000 + round % 2))));
            }
            _ => {
                rig.dial_ok();
                rig.wait(EVERY + TIMEOUT);
            }
        }
        rig.wait_for_dial(30_000);
    }
}

#[test]
fn invariant_13_one_deadline_covers_the_whole_dial() {
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    let started = rig.at();
    rig.take();
    // The dial's own deadline may speak first, because it knows what it waited for; then the link ends it.
    rig.wait(10_050);
    assert_eq!(rig.times(|output| *output == Output::Abort(Generation(1))), [started + 10_050]);
    assert_eq!(rig.cause(), Some(CauseCode::ConnectTimeout));
    assert_eq!(rig.link.status().cause.as_ref().unwrap().text, "no connection within 10 s");
}

#[test]
fn invariant_14_the_delay_still_varies_at_the_cap() {
    let delays = delays_of_failing(settings(), 7, 60);
    let at_cap: BTreeSet<_> = delays[10..].iter().collect();
    assert!(at_cap.len() > 40, "{at_cap:?}");
    assert!(at_cap.iter().all(|delay| **delay <= 30_000));
    assert!(at_cap.iter().any(|delay| **delay < 10_000) && at_cap.iter().any(|delay| **delay > 20_000), "{at_cap:?}");
}

#[test]
fn the_bound_of_the_delay_doubles_up_to_the_cap() {
    let expected = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
    assert_eq!(delays_of_failing(with_backoff(|backoff| backoff.jitter = Jitter::None), 1, 9), expected);
    let mut longest = [0; 9];
    for seed in 0..200 {
        for (at, delay) in delays_of_failing(settings(), seed, 9).into_iter().enumerate() {
            assert!(delay <= expected[at], "attempt {at}: {delay}");
            longest[at] = longest[at].max(delay);
        }
    }
    for (longest, bound) in longest.into_iter().zip(expected) {
        assert!(longest > bound * 9 / 10, "the whole range is used: {longest} of {bound}");
    }
}

#[test]
fn a_fixed_delay_stays_and_is_spread_by_a_tenth() {
    let fixed = |jitter| {
        with_backoff(|backoff| {
            backoff.fixed = Some(ms(60_000));
            backoff.jitter = jitter;
        })
    };
    assert_eq!(delays_of_failing(fixed(Jitter::None), 1, 5), [60_000; 5]);
    let delays: BTreeSet<_> = (0..20).flat_map(|seed| delays_of_failing(fixed(Jitter::Full), seed, 10)).collect();
    assert!(delays.iter().all(|delay| (54_000..=66_000).contains(delay)), "{delays:?}");
    assert!(delays.first().unwrap() < &55_000 && delays.last().unwrap() > &65_000, "{delays:?}");
}

#[test]
fn invariant_15_two_dials_are_never_within_a_quarter_of_a_second() {
    let mut rig = Rig::new(with_backoff(|backoff| backoff.first = ms(1)));
    rig.input(Input::Start);
    for round in 0..400_u32 {
        let generation = rig.generation();
        match round % 6 {
            0 => rig.input(Input::DialFailed(generation, cause(CauseCode::Refused))),
            1 => rig.input(BY_PERSON),
            2 => {
                rig.input(Input::DialOk(generation));
                rig.input(BY_PERSON);
                rig.input(Input::Closed(generation, cause(CauseCode::Closed(1000))));
            }
            3 => {
                rig.input(Input::Stop);
                rig.input(Input::Start);
            }
            4 => rig.input(Input::CredentialsChanged),
            _ => rig.input(ENVIRONMENT),
        }
        rig.wait(u64::from(round % 7) * 10);
    }
    let dials = rig.dials();
    assert!(dials.len() > 20, "{}", dials.len());
    assert!(dials.windows(2).all(|pair| pair[1] - pair[0] >= 250), "{dials:?}");
    assert_eq!(DIAL_GAP, ms(250));
}

#[test]
fn invariant_16_accept_then_close_backs_off() {
    // Without jitter the delays show the count.
    let mut rig = Rig::new(with_backoff(|backoff| backoff.jitter = Jitter::None));
    rig.input(Input::Start);
    let mut delays = Vec::new();
    for _ in 0..8 {
        rig.dial_ok();
        rig.wait(1_000);
        delays.push(after_loss(&mut rig, cause(CauseCode::Closed(1000))).unwrap());
        rig.wait_for_dial(30_000);
    }
    assert_eq!(delays, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
}

/// How a link lives on its socket, and whether its next delay is the first one again.
fn check_reset(starts_anew: bool, life: impl Fn(&mut Rig, Generation)) {
    let mut rig = Rig::new(with_backoff(|backoff| backoff.jitter = Jitter::None));
    rig.input(Input::Start);
    for _ in 0..6 {
        let generation = rig.generation();
        rig.input(Input::DialFailed(generation, cause(CauseCode::Refused)));
        rig.wait_for_dial(30_000);
        rig.take();
    }
    // The last delay was 16 s, so that is the uptime it takes.
    let generation = rig.dial_ok();
    life(&mut rig, generation);
    assert_eq!(rig.state(), LinkState::Connected);
    let delay = after_loss(&mut rig, cause(CauseCode::Reset));
    assert_eq!(delay, Some(if starts_anew { 500 } else { 30_000 }));
}

#[test]
fn invariant_16_the_backoff_starts_anew_only_after_proof_and_uptime() {
    // Proof by a heartbeat that was answered, by whatever byte; and long enough.
    check_reset(true, |rig, generation| {
        rig.wait(EVERY + 100);
        rig.input(Input::Bytes(generation));
        rig.wait(16_000 - EVERY - 100);
    });
    // Proof, but a moment too short.
    check_reset(false, |rig, generation| {
        rig.wait(EVERY + 100);
        rig.input(Input::Bytes(generation));
        rig.wait(16_000 - EVERY - 101);
    });
    // Long enough, and a heartbeat was sent, but nothing has come since the beginning.
    check_reset(false, |rig, generation| {
        rig.wait(EVERY - 1);
        rig.input(Input::Bytes(generation));
        rig.wait(EVERY + TIMEOUT - 1);
    });
    // Long enough, but all that came then came with the end: a close frame is no answer to a heartbeat.
    check_reset(false, |rig, generation| {
        rig.wait(EVERY - 1);
        rig.input(Input::Bytes(generation));
        rig.wait(EVERY + TIMEOUT - 1);
        rig.input(Input::Bytes(generation));
    });
    // Proof by speaking at an uptime at which a heartbeat would have been sent.
    check_reset(true, |rig, generation| {
        for _ in 0..20 {
            rig.wait(1_000);
            rig.input(Input::Bytes(generation));
        }
    });
}

#[test]
fn invariant_17_refused_credentials_block_and_are_tried_again_later_or_when_they_change() {
    blocks_and_is_tried_again(CauseCode::Unauthorized);
}

/// A file that was not there, or a certificate whose key came later.
#[test]
fn settings_that_cannot_work_block_and_are_tried_again_later_or_when_somebody_helps() {
    blocks_and_is_tried_again(CauseCode::Configuration);
}

fn blocks_and_is_tried_again(code: CauseCode) {
    for seed in 0..50 {
        let mut rig = Rig::seeded(settings(), seed);
        rig.input(Input::Start);
        rig.take();
        rig.input(Input::DialFailed(Generation(1), cause(code)));
        let told = rig.times(|output| matches!(output, Output::Status(status) if status.state == LinkState::Blocked));
        assert_eq!(told.len(), 1, "told once");
        // Neither sleep nor network can know better.
        rig.input(ENVIRONMENT);
        let waited = rig.wait_for_dial(360_000);
        assert!((300_000..=360_000).contains(&waited), "{waited}");
    }
    for input in [Input::CredentialsChanged, BY_PERSON] {
        let mut rig = Rig::new(settings());
        rig.input(Input::Start);
        rig.input(Input::DialFailed(Generation(1), cause(code)));
        rig.wait(20_000);
        rig.take();
        rig.input(input.clone());
        assert_eq!(rig.dials(), [rig.at()], "{input:?}");
    }
}

#[test]
fn invariant_17_new_credentials_replace_a_dial_with_the_old_ones() {
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    rig.wait(1_000);
    rig.take();
    rig.input(Input::CredentialsChanged);
    let said: Vec<_> = rig.take().into_iter().map(|(_, output)| output).collect();
    assert!(matches!(&said[..], [Output::Abort(Generation(1)), Output::Dial(Generation(2)), Output::Status(_)]));
    assert_eq!(rig.dial_ok(), Generation(2));
}

#[test]
fn invariant_18_retry_after_is_a_floor_that_hints_cannot_undercut() {
    let asked = |after| Cause { retry_after: Some(after), ..cause(CauseCode::Http(503)) };
    for seed in 0..50 {
        let mut rig = Rig::seeded(settings(), seed);
        rig.input(Input::Start);
        rig.take();
        rig.input(Input::DialFailed(Generation(1), asked(ms(90_000))));
        for _ in 0..80 {
            rig.input(ENVIRONMENT);
            rig.wait(1_000);
        }
        assert!(rig.dials().is_empty());
        rig.wait(19_000);
        assert_eq!(rig.dials().len(), 1, "and not much later either");
    }

    // A hint may still bring the dial forward to the floor, and only to it.
    let mut rig = Rig::new(with_backoff(|backoff| backoff.fixed = Some(ms(60_000))));
    rig.input(Input::Start);
    let from = rig.at();
    rig.take();
    rig.input(Input::DialFailed(Generation(1), asked(ms(20_000))));
    rig.input(ENVIRONMENT);
    rig.wait(60_000);
    assert_eq!(rig.dials(), [from + 20_000]);

    // The person knows better.
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    rig.take();
    rig.input(Input::DialFailed(Generation(1), asked(ms(90_000))));
    rig.wait(1_000);
    rig.input(BY_PERSON);
    assert_eq!(rig.dials(), [rig.at()]);

    // A slip of the server does not silence the link for ever.
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    rig.input(Input::DialFailed(Generation(1), asked(Duration::MAX)));
    let at = rig.link.status().retry_at.unwrap();
    assert!(at.since(rig.now) <= ms(27 * 3_600_000));
}

#[test]
fn invariant_19_close_codes_decide_between_retry_wait_and_block() {
    let check = |codes: &[u16], allowed: Option<(u64, u64)>| {
        for code in codes {
            for seed in 0..30 {
                let mut rig = Rig::seeded(settings(), seed);
                rig.input(Input::Start);
                rig.dial_ok();
                rig.wait(300);
                match (after_loss(&mut rig, cause(CauseCode::Closed(*code))), allowed) {
                    (Some(delay), Some((from, to))) => {
                        assert_eq!(rig.state(), LinkState::Waiting, "{code}");
                        assert!((from..=to).contains(&delay), "{code}: {delay}");
                    }
                    (None, None) => {
                        assert_eq!(rig.state(), LinkState::Blocked, "{code}");
                        rig.wait(3_600_000);
                        assert!(rig.dials().is_empty(), "{code}");
                        rig.input(BY_PERSON);
                        assert_eq!(rig.dials(), [rig.at()], "{code}: the person can help");
                    }
                    (delay, _) => panic!("{code}: {delay:?}"),
                }
            }
        }
    };
    check(&[1000, 1001, 1005, 1006, 1009, 1011, 1014, 3000, 3499, 4000, 4499, 5000], Some((0, 500)));
    check(&[1012], Some((5_000, 30_000)));
    check(&[1013], Some((27_000, 30_000)));
    check(&[1008, 3500, 3999, 4500, 4999], None);

    // Neither sleep nor network can know better than the server that asked for it; the person can.
    for code in [1012, 1013] {
        for seed in 0..30 {
            let mut rig = Rig::seeded(settings(), seed);
            rig.input(Input::Start);
            rig.dial_ok();
            rig.wait(300);
            let delay = after_loss(&mut rig, cause(CauseCode::Closed(code))).unwrap();
            let from = rig.at();
            rig.take();
            while rig.dials().is_empty() {
                rig.input(ENVIRONMENT);
                rig.wait(100);
            }
            assert_eq!(rig.dials(), [from + delay], "{code}");
            let generation = rig.generation();
            rig.input(Input::DialOk(generation));
            after_loss(&mut rig, cause(CauseCode::Closed(code))).unwrap();
            rig.wait(300);
            rig.take();
            rig.input(BY_PERSON);
            assert_eq!(rig.dials(), [rig.at()], "{code}");
        }
    }

    // A fixed delay above the cap is the longest there is.
    let mut rig = Rig::new(with_backoff(|backoff| {
        (backoff.fixed, backoff.jitter) = (Some(ms(60_000)), Jitter::None);
    }));
    rig.input(Input::Start);
    rig.dial_ok();
    assert_eq!(after_loss(&mut rig, cause(CauseCode::Closed(1013))), Some(60_000));
}

#[test]
fn invariant_19_a_dialects_fatal_word_closes_politely_and_blocks() {
    let fatal = [(CauseCode::Unauthorized, true), (CauseCode::Configuration, true), (CauseCode::Protocol, false)];
    for (code, again) in fatal {
        let (mut rig, generation) = Rig::connected(settings());
        rig.input(Input::Fatal(generation, cause(code)));
        assert_eq!(rig.state(), LinkState::Blocked);
        assert_eq!(rig.link.status().retry_at.is_some(), again);
        assert_eq!(rig.times(|output| *output == Output::Close(generation, 1000)).len(), 1);
        rig.input(Input::Closed(generation, cause(CauseCode::Closed(1000))));
        assert_eq!(rig.state(), LinkState::Blocked, "the answer to our close changes nothing");
        assert_eq!(rig.cause(), Some(code));
    }
}

#[test]
fn invariant_20_a_close_by_the_peer_always_schedules_a_dial() {
    for code in [1000, 1001, 1005, 1006, 1011, 1012, 1013] {
        let (mut rig, _) = Rig::connected(settings());
        assert!(after_loss(&mut rig, cause(CauseCode::Closed(code))).is_some(), "{code}");
        assert_eq!(rig.cause(), Some(CauseCode::Closed(code)));
        rig.wait_for_dial(30_000);
    }
}

#[test]
fn invariant_20_an_error_and_a_close_of_one_socket_schedule_one_dial() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.input(Input::Closed(generation, cause(CauseCode::Reset)));
    rig.input(Input::Closed(generation, cause(CauseCode::Closed(1006))));
    rig.input(Input::DialFailed(generation, cause(CauseCode::Reset)));
    rig.wait(9_000);
    assert_eq!(rig.dials().len(), 1);
    assert_eq!(rig.cause(), Some(CauseCode::Reset));
}

#[test]
fn invariant_22_wake_network_change_and_reconnect_now_together_cause_one_dial() {
    for order in [[ENVIRONMENT, ENVIRONMENT, BY_PERSON], [BY_PERSON, ENVIRONMENT, ENVIRONMENT]] {
        // While it waits.
        let (mut rig, _) = Rig::connected(with_backoff(|backoff| backoff.fixed = Some(ms(20_000))));
        rig.wait(1_000);
        after_loss(&mut rig, cause(CauseCode::Reset));
        rig.wait(500);
        let asked = rig.at();
        for input in order.clone() {
            rig.input(input);
            rig.wait(10);
        }
        rig.wait(5_000);
        assert_eq!(rig.dials(), [asked], "{order:?}");

        // While it is up: the person's word replaces the socket, once.
        let (mut rig, generation) = Rig::connected(settings());
        rig.wait(1_000);
        for input in order.clone() {
            rig.input(input);
        }
        assert_eq!(rig.times(|output| *output == Output::Close(generation, 1000)).len(), 1);
        assert_eq!(rig.cause(), Some(CauseCode::ByPerson));
        rig.wait(5_000);
        assert_eq!(rig.dials().len(), 1, "{order:?}");
    }
}

#[test]
fn reconnect_now_does_not_wait_long_for_a_peer_that_does_not_answer_the_close() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(5_000);
    let asked = rig.at();
    rig.input(BY_PERSON);
    assert_eq!(rig.state(), LinkState::Waiting);
    rig.wait(1_000);
    assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [asked + 250]);
    assert_eq!(rig.dials(), [asked + 250]);
}

#[test]
fn pausing_or_stopping_a_dial_drops_it() {
    for (input, state) in [(Input::Pause, LinkState::Paused), (Input::Stop, LinkState::Stopped)] {
        let mut rig = Rig::new(settings());
        rig.input(Input::Start);
        rig.take();
        rig.input(input);
        let said = rig.take();
        assert!(matches!(&said[..], [(_, Output::Abort(Generation(1))), (_, Output::Status(_))]), "{said:?}");
        assert_eq!(rig.state(), state);
        rig.wait(3_600_000);
        rig.input(BY_PERSON);
        rig.input(ENVIRONMENT);
        rig.input(Input::CredentialsChanged);
        assert_eq!(rig.take(), [], "nothing wakes it but a start");
        rig.input(Input::Start);
        assert_eq!(rig.dials(), [rig.at()]);
    }
}

#[test]
fn a_link_can_begin_paused() {
    let mut rig = Rig::new(settings());
    rig.input(Input::Pause);
    assert_eq!(rig.state(), LinkState::Paused);
    assert_eq!(rig.link.poll_timeout(), None);
    rig.input(Input::Start);
    assert_eq!(rig.dials(), [rig.at()]);
}

#[test]
fn the_status_counts_the_dials_and_keeps_the_cause_until_the_link_is_up() {
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    for attempt in 1..5 {
        assert_eq!((rig.state(), rig.link.status().attempt), (LinkState::Connecting, attempt));
        let generation = rig.generation();
        rig.input(Input::DialFailed(generation, cause(CauseCode::Refused)));
        assert_eq!((rig.state(), rig.link.status().attempt), (LinkState::Waiting, attempt));
        rig.take();
        rig.wait_for_dial(30_000);
        assert_eq!(rig.cause(), Some(CauseCode::Refused));
    }
    rig.dial_ok();
    assert_eq!((rig.link.status().attempt, rig.cause(), rig.link.status().retry_at), (0, None, None));
    after_loss(&mut rig, cause(CauseCode::Reset));
    assert_eq!(rig.link.status().attempt, 0, "no dial yet since it was up");
}

#[test]
fn a_clock_that_stands_still_or_goes_back_does_no_harm() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(5_000);
    rig.input(Input::Bytes(generation));
    rig.now = rig.now - ms(4_000);
    rig.input(Input::Timeout);
    rig.input(Input::Bytes(generation));
    assert_eq!(rig.take(), []);
    rig.wait(EVERY);
    assert_eq!(rig.beats().len(), 1);
}
