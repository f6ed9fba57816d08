//! What a link holds while it is up: when it probes, when it is dead and when it is not. Named after the numbered
//! promises of the link.

mod link_rig;

use heartwire_core::cause::CauseCode;
use heartwire_core::link::{Frame, Generation, Heartbeat, HeartbeatKind, Input, LinkSettings, Output};
use heartwire_core::view::LinkState;
use link_rig::{EVERY, Rig, TIMEOUT, beat, cause, ms, send, settings};

fn with(change: impl FnOnce(&mut Heartbeat)) -> LinkSettings {
    let mut settings = settings();
    change(&mut settings.heartbeat);
    settings
}

#[test]
fn invariant_1_silence_is_death_at_heartbeat_sent_plus_timeout_and_never_earlier() {
    for kind in [HeartbeatKind::Text("beat".to_owned()), HeartbeatKind::Ping, HeartbeatKind::None] {
        let (mut rig, generation) = Rig::connected(with(|heartbeat| heartbeat.kind = kind.clone()));
        rig.wait(3_000);
        rig.input(Input::Bytes(generation));
        let heard = rig.at();

        rig.wait(EVERY - 1);
        assert!(rig.beats().is_empty(), "{kind:?}");
        rig.wait(TIMEOUT);
        assert_eq!(rig.state(), LinkState::Connected, "{kind:?}: dead early");
        let expected: &[u64] = if kind == HeartbeatKind::None { &[] } else { &[heard + EVERY] };
        assert_eq!(rig.beats(), expected, "{kind:?}");

        rig.wait(1);
        assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [heard + EVERY + TIMEOUT], "{kind:?}");
        assert_eq!(rig.cause(), Some(CauseCode::HeartbeatTimeout));
    }
}

#[test]
fn invariant_1_the_deadline_counts_from_a_heartbeat_that_was_sent_late() {
    let (mut rig, generation) = Rig::connected(settings());
    // The driver was kept from running for 40 ms.
    rig.now = rig.now + ms(EVERY + 40);
    rig.input(Input::Timeout);
    let sent = rig.beats()[0];
    rig.wait(TIMEOUT - 1);
    assert_eq!(rig.state(), LinkState::Connected);
    rig.wait(1);
    assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [sent + TIMEOUT]);
}

#[test]
fn invariant_2_the_deadline_does_not_wait_for_a_stalled_send() {
    let (mut rig, generation) = Rig::connected(settings());
    let opened = rig.at();
    rig.wait(1_000);
    // Nothing tells the link that any of this was written: only that it was queued.
    rig.input(send(1, &"x".repeat(8 << 20)));
    rig.wait(EVERY + TIMEOUT);
    assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [opened + EVERY + TIMEOUT]);
}

#[test]
fn invariant_3_a_dead_link_is_dropped_without_a_close_frame() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(EVERY + TIMEOUT);
    let said: Vec<_> = rig.take().into_iter().map(|(_, output)| output).collect();
    assert!(
        matches!(&said[..], [Output::Send(..), Output::Abort(aborted), Output::Status(status), ..]
            if *aborted == generation && status.state == LinkState::Waiting),
        "{said:?}"
    );
    assert!(!said.iter().any(|output| matches!(output, Output::Close(..))));
}

#[test]
fn invariant_4_a_graceful_close_has_its_code_and_takes_at_most_a_second() {
    for (input, code, state) in [(Input::Pause, 1000, LinkState::Paused), (Input::Stop, 1001, LinkState::Stopped)] {
        let (mut rig, generation) = Rig::connected(settings());
        let asked = rig.at();
        rig.input(input.clone());
        assert_eq!(rig.state(), state, "people see it at once");
        rig.wait(60_000);
        assert_eq!(rig.times(|output| *output == Output::Close(generation, code)), [asked], "{input:?}");
        assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [asked + 1_000], "{input:?}");
        assert_eq!(rig.link.poll_timeout(), None);

        let (mut rig, generation) = Rig::connected(settings());
        rig.input(input);
        rig.wait(400);
        rig.input(Input::Closed(generation, cause(CauseCode::Closed(code))));
        rig.wait(60_000);
        assert!(rig.times(|output| matches!(output, Output::Abort(_) | Output::Dial(_))).is_empty());
    }
}

#[test]
fn invariant_5_bytes_are_life_though_no_message_is_whole() {
    let (mut rig, generation) = Rig::connected(settings());
    for _ in 0..100 {
        rig.wait(EVERY - 1);
        rig.input(Input::Bytes(generation));
    }
    assert_eq!(rig.take(), [], "neither heartbeat nor death");

    // Also bytes that come in the last moment before death, and they stop both clocks.
    rig.wait(EVERY + TIMEOUT - 1);
    rig.input(Input::Bytes(generation));
    rig.take();
    rig.wait(EVERY - 1);
    assert_eq!(rig.take(), []);
    rig.wait(1);
    assert_eq!(rig.take(), [(rig.at(), beat(generation))]);
}

#[test]
fn invariant_6_what_arrives_does_not_suppress_a_keepalive_that_the_server_needs() {
    let run = |always| {
        let (mut rig, generation) = Rig::connected(with(|heartbeat| heartbeat.always = always));
        for _ in 0..60 {
            rig.wait(1_000);
            rig.input(Input::Bytes(generation));
        }
        assert_eq!(rig.state(), LinkState::Connected);
        rig.beats().len()
    };
    assert_eq!(run(true), 6);
    assert_eq!(run(false), 0);
}

#[test]
fn invariant_6_a_keepalive_without_an_answer_is_no_reason_to_die() {
    let (mut rig, generation) = Rig::connected(with(|heartbeat| heartbeat.always = true));
    rig.wait(4_000);
    rig.input(Input::Bytes(generation));
    // The keepalive goes out 6 s later, and the server says nothing within its timeout: it need not. What is judged is
    // the answer to the heartbeat that its own silence causes, 10 s after it was heard.
    let heard = rig.at();
    rig.wait(EVERY + TIMEOUT - 1);
    assert_eq!(rig.state(), LinkState::Connected);
    assert_eq!(rig.beats(), [heard + 6_000, heard + EVERY]);
    rig.wait(1);
    assert_eq!(rig.cause(), Some(CauseCode::HeartbeatTimeout));
}

#[test]
fn invariant_6_what_we_send_is_no_sign_of_life() {
    let (mut rig, _) = Rig::connected(settings());
    for _ in 0..(EVERY + TIMEOUT) / 1_000 {
        rig.input(send(1, "hello"));
        rig.wait(1_000);
    }
    assert_eq!(rig.cause(), Some(CauseCode::HeartbeatTimeout));
}

#[test]
fn invariant_7_an_answer_is_a_round_trip_once_and_only_if_one_is_expected() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.input(Input::HeartbeatAnswered(generation));
    assert_eq!(rig.take(), [], "nothing was asked");

    rig.wait(EVERY);
    rig.take();
    rig.wait(30);
    rig.input(Input::Bytes(generation));
    assert_eq!(rig.take(), [], "any byte is life, but not every byte is the answer");
    rig.wait(12);
    rig.input(Input::Bytes(generation));
    rig.input(Input::HeartbeatAnswered(generation));
    rig.input(Input::HeartbeatAnswered(generation));
    assert_eq!(rig.take(), [(rig.at(), Output::RoundTrip(ms(42)))]);
}

#[test]
fn invariant_7_a_late_text_answer_counts_from_the_heartbeat_it_can_belong_to() {
    // A slow server that talks meanwhile: the second heartbeat must not make the first one's answer look fast.
    let (mut rig, generation) = Rig::connected(with(|heartbeat| {
        (heartbeat.every, heartbeat.timeout) = (ms(2_000), ms(5_000));
    }));
    rig.wait(3_000);
    rig.input(Input::Bytes(generation));
    rig.wait(2_500);
    rig.take();
    rig.input(Input::HeartbeatAnswered(generation));
    assert_eq!(rig.take(), [(rig.at(), Output::RoundTrip(ms(3_500)))]);

    // One that was ignored for longer than its timeout does not count for ever.
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(EVERY + 1_000);
    rig.input(Input::Bytes(generation));
    rig.wait(EVERY + 20);
    rig.take();
    rig.input(Input::HeartbeatAnswered(generation));
    assert_eq!(rig.take(), [(rig.at(), Output::RoundTrip(ms(20)))]);

    // A pong names its ping: the newest, which is the only one the driver asks for.
    let (mut rig, generation) = Rig::connected(with(|heartbeat| {
        heartbeat.kind = HeartbeatKind::Ping;
        (heartbeat.every, heartbeat.timeout) = (ms(2_000), ms(5_000));
    }));
    rig.wait(3_000);
    rig.input(Input::Bytes(generation));
    rig.wait(2_500);
    rig.take();
    rig.input(Input::HeartbeatAnswered(generation));
    assert_eq!(rig.take(), [(rig.at(), Output::RoundTrip(ms(500)))]);
}

#[test]
fn invariant_8_nothing_pending_crosses_to_the_next_socket() {
    let (mut rig, old) = Rig::connected(settings());
    rig.wait(EVERY + TIMEOUT - 1);
    rig.input(Input::Closed(old, cause(CauseCode::Reset)));
    rig.wait_for_dial(30_000);
    let new = rig.dial_ok();
    rig.take();
    let opened = rig.at();

    rig.input(Input::HeartbeatAnswered(new));
    rig.input(Input::HeartbeatAnswered(old));
    assert_eq!(rig.take(), [], "the old socket's heartbeat is not answered on the new one");
    rig.wait(EVERY + TIMEOUT - 1);
    assert_eq!(rig.state(), LinkState::Connected, "the old socket's deadline does not kill the new one");
    assert_eq!(rig.beats(), [opened + EVERY]);
}

#[test]
fn invariant_10_our_own_paused_reading_is_not_the_peers_death() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(EVERY + 1_000);
    rig.take();
    rig.input(Input::ReadingPaused(generation));
    rig.wait(600_000);
    assert_eq!(rig.state(), LinkState::Connected);
    assert_eq!(rig.beats().len(), 60, "the peer still hears from us");

    rig.input(Input::ReadingResumed(generation));
    let resumed = rig.at();
    rig.take();
    rig.wait(EVERY + TIMEOUT - 1);
    assert_eq!(rig.state(), LinkState::Connected);
    rig.wait(1);
    assert_eq!(rig.times(|output| *output == Output::Abort(generation)), [resumed + EVERY + TIMEOUT]);
}

#[test]
fn invariant_10_also_where_only_silence_is_watched() {
    let (mut rig, generation) = Rig::connected(with(|heartbeat| heartbeat.kind = HeartbeatKind::None));
    rig.input(Input::ReadingPaused(generation));
    rig.wait(600_000);
    assert_eq!(rig.state(), LinkState::Connected);
    rig.input(Input::ReadingResumed(generation));
    rig.wait(EVERY + TIMEOUT);
    assert_eq!(rig.cause(), Some(CauseCode::HeartbeatTimeout));
}

#[test]
fn invariant_10_nor_a_handshake_that_takes_too_long() {
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    let (generation, started) = (rig.generation(), rig.at());
    rig.wait(4_000);
    rig.input(Input::ReadingPaused(generation));
    rig.wait(600_000);
    // Said twice, it counts from the first time.
    rig.input(Input::ReadingPaused(generation));
    rig.take();
    rig.input(Input::ReadingResumed(generation));
    rig.wait(6_049);
    assert_eq!((rig.state(), rig.take()), (LinkState::Connecting, vec![]));
    rig.wait(1);
    let aborted = rig.times(|output| *output == Output::Abort(generation));
    assert_eq!(aborted, [started + 600_000 + 10_050], "what was left of its time still counts");
}

#[test]
fn invariant_10_a_handshake_that_ends_while_nothing_is_read_begins_no_silence() {
    let mut rig = Rig::new(settings());
    rig.input(Input::Start);
    rig.input(Input::ReadingPaused(rig.generation()));
    let generation = rig.dial_ok();
    rig.wait(600_000);
    assert_eq!(rig.state(), LinkState::Connected);
    rig.input(Input::ReadingResumed(generation));
    rig.wait(EVERY + TIMEOUT);
    assert_eq!(rig.cause(), Some(CauseCode::HeartbeatTimeout));
}

#[test]
fn each_ping_has_a_payload_of_its_own() {
    let (mut rig, generation) = Rig::connected(with(|heartbeat| heartbeat.kind = HeartbeatKind::Ping));
    let mut payloads = Vec::new();
    for _ in 0..3 {
        rig.wait(EVERY);
        rig.input(Input::Bytes(generation));
        for (_, output) in rig.take() {
            match output {
                Output::Send(_, Frame::Ping(payload), None) => payloads.push(payload),
                other => panic!("{other:?}"),
            }
        }
    }
    payloads.dedup();
    assert_eq!(payloads.len(), 3);
    assert!(payloads.iter().all(|payload| payload.len() <= 8));
}

#[test]
fn the_opening_frames_are_sent_in_order_after_each_opening() {
    let mut settings = settings();
    settings.on_open = vec!["one".to_owned(), "two".to_owned()];
    let mut rig = Rig::new(settings);
    rig.input(Input::Start);
    for expected in 1..=2 {
        let generation = rig.dial_ok();
        assert_eq!(generation, Generation(expected));
        let sent: Vec<_> = rig.take().into_iter().filter(|(_, output)| matches!(output, Output::Send(..))).collect();
        let frame = |text: &str| (rig.at(), Output::Send(generation, Frame::Text(text.to_owned()), None));
        assert_eq!(sent, [frame("one"), frame("two")]);
        rig.input(Input::Closed(generation, cause(CauseCode::Reset)));
        rig.wait_for_dial(30_000);
    }
}
