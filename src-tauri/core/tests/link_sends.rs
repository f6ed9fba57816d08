//! What becomes of texts that a person sends, and of what a dialect wants to go on from. Named after the numbered
//! promises.

mod link_rig;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::link::{
    Frame, Generation, HeartbeatKind, Input, NotSent, Output, Path, QUEUE_AGE, QUEUE_BYTES, QUEUE_TEXTS, RESUME_TRIES,
    ResumeData, SendId,
};
use heartwire_core::view::LinkState;
use link_rig::{EVERY, Rig, cause, ms, send, settings};

fn sent(generation: Generation, id: u64, text: &str) -> Output {
    Output::Send(generation, Frame::Text(text.to_owned()), Some(SendId(id)))
}

fn texts(rig: &mut Rig) -> Vec<Output> {
    let all = rig.take().into_iter().map(|(_, output)| output);
    all.filter(|output| matches!(output, Output::Send(_, _, Some(_)) | Output::SendRefused(..))).collect()
}

/// A link that waits for its next dial, an hour if nobody asks for it earlier.
fn waiting() -> Rig {
    let mut settings = settings();
    settings.backoff.fixed = Some(ms(3_600_000));
    let (mut rig, generation) = Rig::connected(settings);
    rig.wait(1_000);
    rig.input(Input::Closed(generation, cause(CauseCode::Reset)));
    rig.take();
    rig
}

#[test]
fn invariant_27_what_is_sent_while_waiting_or_dialling_goes_out_in_order_after_the_opening_frames() {
    let mut settings = settings();
    settings.on_open = vec!["hello".to_owned()];
    let mut rig = Rig::new(settings);
    rig.input(Input::Start);
    rig.input(send(1, "one"));
    let failed = rig.generation();
    rig.input(Input::DialFailed(failed, cause(CauseCode::Refused)));
    rig.input(send(2, "two"));
    rig.wait_for_dial(30_000);
    rig.input(send(3, "three"));
    assert_eq!(texts(&mut rig), []);
    let up = rig.dial_ok();
    rig.input(send(4, "four"));
    let said: Vec<_> = rig.take().into_iter().map(|(_, output)| output).collect();
    let hello = Output::Send(up, Frame::Text("hello".to_owned()), None);
    assert_eq!(said[1..], [hello, sent(up, 1, "one"), sent(up, 2, "two"), sent(up, 3, "three"), sent(up, 4, "four")]);
}

#[test]
fn invariant_27_the_queue_is_bounded_by_count() {
    let mut rig = waiting();
    for id in 0..=QUEUE_TEXTS as u64 {
        rig.input(send(id, "x"));
    }
    assert_eq!(texts(&mut rig), [Output::SendRefused(SendId(QUEUE_TEXTS as u64), NotSent::Full)]);
}

#[test]
fn invariant_27_the_queue_is_bounded_by_bytes_and_has_room_again_when_they_are_gone() {
    let mut rig = waiting();
    rig.input(send(1, &"x".repeat(QUEUE_BYTES)));
    rig.input(send(2, "x"));
    assert_eq!(texts(&mut rig), [Output::SendRefused(SendId(2), NotSent::Full)]);
    rig.wait(20_000);
    assert_eq!(texts(&mut rig), [Output::SendRefused(SendId(1), NotSent::TooLate)]);
    rig.input(send(3, &"x".repeat(QUEUE_BYTES)));
    rig.input(send(4, &"x".repeat(QUEUE_BYTES + 1)));
    assert_eq!(texts(&mut rig), [Output::SendRefused(SendId(4), NotSent::Full)]);
}

#[test]
fn invariant_27_the_queue_is_bounded_by_age_and_each_text_has_its_own() {
    let mut rig = waiting();
    rig.input(send(1, "one"));
    rig.wait(5_000);
    rig.input(send(2, "two"));
    let asked = rig.at() - 5_000;
    rig.wait(15_000 - 1);
    assert_eq!(texts(&mut rig), []);
    rig.wait(1);
    assert_eq!(rig.take(), [(asked + 20_000, Output::SendRefused(SendId(1), NotSent::TooLate))]);
    assert_eq!(QUEUE_AGE, ms(20_000));
    // The other one is still good.
    rig.input(Input::NetworkChanged(Path::Same));
    let up = rig.dial_ok();
    assert_eq!(texts(&mut rig), [sent(up, 2, "two")]);
}

#[test]
fn invariant_27_what_was_handed_to_one_socket_is_never_said_again_on_the_next() {
    let (mut rig, up) = Rig::connected(settings());
    rig.input(send(1, "one"));
    assert_eq!(texts(&mut rig), [sent(up, 1, "one")]);
    rig.input(Input::Closed(up, cause(CauseCode::Reset)));
    rig.wait_for_dial(30_000);
    let next = rig.dial_ok();
    rig.wait(EVERY);
    assert_eq!(texts(&mut rig), [], "of {next:?}");
}

#[test]
fn invariant_27_a_link_that_waits_for_the_person_refuses_and_tells_who_waited() {
    let refusals = [
        Input::Pause,
        Input::Stop,
        Input::DialFailed(Generation(1), cause(CauseCode::Configuration)),
        Input::DialFailed(Generation(1), cause(CauseCode::Unauthorized)),
    ];
    for end in refusals {
        let mut rig = Rig::new(settings());
        rig.input(Input::Start);
        rig.input(send(1, "one"));
        rig.input(end);
        assert_eq!(texts(&mut rig), [Output::SendRefused(SendId(1), NotSent::NotConnected)]);
        rig.input(send(2, "two"));
        assert_eq!(texts(&mut rig), [Output::SendRefused(SendId(2), NotSent::NotConnected)]);
    }
}

#[test]
fn invariant_27_a_link_that_closes_to_dial_anew_keeps_what_is_sent_meanwhile() {
    let (mut rig, generation) = Rig::connected(settings());
    rig.wait(1_000);
    rig.input(Input::Reconnect);
    rig.input(send(1, "one"));
    rig.input(Input::Closed(generation, cause(CauseCode::Closed(1000))));
    let up = rig.dial_ok();
    assert_eq!(texts(&mut rig), [sent(up, 1, "one")]);
}

fn data(text: &str) -> ResumeData {
    ResumeData(text.to_owned())
}

fn resumable(text: &str) -> Rig {
    let mut rig = Rig::new(settings());
    rig.input(Input::ResumeFrom(Some(data(text))));
    rig.input(Input::Start);
    rig
}

/// The next dial, and how it ends.
fn fail(rig: &mut Rig, why: Cause) {
    if rig.state() == LinkState::Blocked {
        rig.input(Input::Reconnect);
        rig.wait(250);
    }
    rig.wait_for_dial(400_000);
    let generation = rig.generation();
    rig.input(Input::DialFailed(generation, why));
}

fn dropped(rig: &Rig) -> usize {
    rig.times(|output| matches!(output, Output::ResumeDropped(_))).len()
}

#[test]
fn invariant_21_data_that_the_server_refuses_three_times_are_dropped_once_and_the_next_dial_begins_anew() {
    for code in [CauseCode::Http(400), CauseCode::Http(404), CauseCode::Http(410), CauseCode::Protocol] {
        let mut rig = resumable("42");
        for failures in 1..RESUME_TRIES {
            fail(&mut rig, cause(code));
            assert_eq!((dropped(&rig), rig.link.resume_data()), (0, Some(&data("42"))), "{code} {failures}");
        }
        fail(&mut rig, cause(code));
        assert_eq!((dropped(&rig), rig.link.resume_data()), (1, None), "{code}");
        assert_eq!(
            rig.take().into_iter().filter(|(_, output)| *output == Output::ResumeDropped(data("42"))).count(),
            1
        );
        for _ in 0..5 {
            fail(&mut rig, cause(code));
        }
        assert_eq!(dropped(&rig), 0);
    }
}

#[test]
fn invariant_21_a_socket_that_the_server_closes_before_it_proved_itself_counts_too() {
    let mut rig = resumable("42");
    for failures in 1..=RESUME_TRIES {
        rig.wait_for_dial(400_000);
        let up = rig.dial_ok();
        rig.input(Input::Bytes(up));
        rig.input(Input::Closed(up, cause(CauseCode::Closed(4000))));
        assert_eq!(dropped(&rig), usize::from(failures == RESUME_TRIES));
    }
}

#[test]
fn invariant_21_what_says_nothing_of_the_data_does_not_count() {
    let mut rig = resumable("42");
    let innocent = [
        CauseCode::Dns,
        CauseCode::Refused,
        CauseCode::Unreachable,
        CauseCode::ConnectTimeout,
        CauseCode::Tls,
        CauseCode::Proxy,
        CauseCode::Http(429),
        CauseCode::Http(502),
        CauseCode::Unauthorized,
        CauseCode::Reset,
        CauseCode::Closed(1001),
        CauseCode::Closed(1012),
        CauseCode::Closed(1013),
    ];
    for code in innocent.into_iter().cycle().take(60) {
        fail(&mut rig, cause(code));
    }
    assert_eq!((dropped(&rig), rig.link.resume_data()), (0, Some(&data("42"))));
}

#[test]
fn invariant_21_proof_and_newer_data_begin_the_count_anew() {
    let twice = |rig: &mut Rig| (1..RESUME_TRIES).for_each(|_| fail(rig, cause(CauseCode::Http(400))));
    let mut rig = resumable("42");
    twice(&mut rig);
    rig.wait_for_dial(400_000);
    let up = rig.dial_ok();
    rig.wait(EVERY);
    rig.input(Input::HeartbeatAnswered(up));
    rig.wait(1);
    rig.input(Input::Closed(up, cause(CauseCode::Closed(4000))));
    twice(&mut rig);
    assert_eq!(dropped(&rig), 0);
    rig.input(Input::ResumeFrom(Some(data("43"))));
    twice(&mut rig);
    assert_eq!((dropped(&rig), rig.link.resume_data()), (0, Some(&data("43"))));
    fail(&mut rig, cause(CauseCode::Http(400)));
    assert_eq!(dropped(&rig), 1);
}

#[test]
fn invariant_21_where_only_silence_is_watched_the_data_are_dropped_too() {
    let mut settings = settings();
    settings.heartbeat.kind = HeartbeatKind::None;
    let mut rig = Rig::new(settings);
    rig.input(Input::ResumeFrom(Some(data("42"))));
    rig.input(Input::Start);
    for failures in 1..=RESUME_TRIES {
        rig.wait_for_dial(400_000);
        let up = rig.dial_ok();
        rig.wait(1);
        rig.input(Input::Closed(up, cause(CauseCode::Closed(4000))));
        assert_eq!(dropped(&rig), usize::from(failures == RESUME_TRIES));
    }
}
