//! What a hostile broker, or none, may send.

use mqttbytes::v4::{PubAck, UnsubAck};
use proptest::prelude::*;

use super::*;
use crate::cause::CauseCode;
use crate::dialect::Refused;

/// A session with everything a broker sends, as one stream.
fn stream() -> Vec<u8> {
    let long = "长".repeat(100);
    let packets = [
        connack(false),
        suback(1),
        packet!(publish(1, "a")),
        pingresp(),
        packet!(publish(2, &long)),
        packet!(publish(0, "c")),
    ];
    packets.concat()
}

#[test]
fn frames_cut_the_stream_anywhere() {
    let whole = stream();
    let expected: Vec<_> = Socket::opened(json!({}), None).frame(&whole).messages().cloned().collect();
    assert_eq!(expected.len(), 3);
    for size in 1..whole.len() {
        let mut socket = Socket::opened(json!({}), None);
        let mut came = Vec::new();
        let mut ready = 0;
        for part in whole.chunks(size) {
            let effects = socket.frame(part);
            came.extend(effects.messages().cloned());
            ready += u32::from(effects.ready);
        }
        assert_eq!((came, ready), (expected.clone(), 1), "in pieces of {size}");
    }
}

#[test]
fn breaches_end_the_socket_and_keep_what_came_before() {
    let check = |bytes: &[u8], code: CauseCode| {
        let mut socket = Socket::first();
        let effects = socket.frame(&[packet!(publish(1, "a")), bytes.to_vec(), packet!(publish(2, "b"))].concat());
        assert_eq!(effects.end.as_ref().map(|cause| cause.code), Some(code), "{bytes:?}");
        assert!(matches!(effects.items[..], [Item::Message(_), Item::Cursor(_), Item::Mark(1)]), "{bytes:?}");
    };
    check(&connack(false), CauseCode::Protocol);
    check(&suback(1), CauseCode::Protocol);
    check(&packet!(UnsubAck::new(2)), CauseCode::Protocol);
    check(&packet!(PubAck::new(1)), CauseCode::Protocol);
    check(&packet!(v4::PingReq), CauseCode::Protocol);
    check(&packet!(v4::Connect::new("x")), CauseCode::Protocol);
    check(&[0, 0], CauseCode::Protocol);
    check(&[0xf0, 0], CauseCode::Protocol);
    check(&[0xd0, 0xff, 0xff, 0xff, 0xff, 1], CauseCode::Protocol);
    // A packet identifier of 0, a QoS of 3, a topic longer than its packet, one that is no UTF-8, none.
    check(&[0x32, 5, 0, 1, b'n', 0, 0], CauseCode::Protocol);
    check(&[0x36, 5, 0, 1, b'n', 0, 1], CauseCode::Protocol);
    check(&[0x30, 3, 0, 9, b'n'], CauseCode::Protocol);
    check(&[0x30, 3, 0, 1, 0xff], CauseCode::Protocol);
    check(&[0x30, 0], CauseCode::Protocol);
    // One byte more than 17 MiB.
    check(&[0x30, 0x81, 0x80, 0xc0, 0x08], CauseCode::TooLarge);
}

#[test]
fn a_large_message_is_read_and_what_to_do_about_a_larger_one_is_said() {
    let mut socket = Socket::first();
    let text = "x".repeat(16 * 1024 * 1024);
    assert_eq!(only_message(&socket.publish(&publish(1, &text))).size, 16 * 1024 * 1024);
    let what_to_do = socket.dialect.advice(Refused::TooLarge).unwrap();
    assert!(what_to_do.contains("its session of the client heartwire00000000000007"), "{what_to_do}");
    assert!(socket.frame(&[0x30, 0x81, 0x80, 0xc0, 0x08]).end.unwrap().text.ends_with(&what_to_do));
}

#[test]
fn before_connack_nothing_else_may_come() {
    for packet in [suback(1), pingresp(), packet!(publish(1, "a"))] {
        let effects = Socket::opened(json!({}), None).frame(&packet);
        assert!(effects.end.is_some() && effects.items.is_empty(), "{packet:?}");
    }
    let effects = Socket::opened(json!({}), None).frame(&[0x20, 2, 0, 6]);
    assert!(effects.end.unwrap().text.contains("InvalidConnectReturnCode"));
}

#[test]
fn a_text_frame_ends_the_socket() {
    let mut effects = Effects::default();
    Socket::first().dialect.frame(Incoming::Text("hello"), &mut effects);
    assert_eq!(effects.end.unwrap().code, CauseCode::Protocol);
}

#[test]
fn a_frame_of_the_smallest_messages_stays_small() {
    let smallest = [0x30, 2, 0, 0];
    let effects = Socket::first().frame(&smallest.repeat(16 * 1024));
    assert_eq!((effects.messages().count(), effects.end), (16 * 1024, None));
    let effects = Socket::first().frame(&smallest.repeat(256 * 1024));
    assert_eq!((effects.messages().count(), effects.end.is_some()), (16 * 1024, true));
}

#[test]
fn a_broker_that_answers_no_ping_costs_a_cursor_of_its_identifiers_at_most() {
    let mut socket = Socket::first();
    let ids: Vec<u16> = (1..=u16::MAX).chain(1..=10_000).collect();
    for ids in ids.chunks(5_000) {
        let packets: Vec<_> = ids.iter().flat_map(|id| packet!(publish(*id, "x"))).collect();
        socket.frame(&packets);
        socket.commit();
    }
    let each_once: Vec<_> = (10_001..=u16::MAX).chain(1..=10_000).collect();
    assert!(socket.doubts() == each_once);
    let mut socket = Socket::opened(json!({}), socket.cursor);
    socket.frame(&connack(true));
    assert!(socket.doubts() == each_once);
    let again: Vec<_> =
        each_once[..9_000].iter().flat_map(|id| packet!(Publish { dup: true, ..publish(*id, "x") })).collect();
    assert!(texts(&socket.frame(&again)).is_empty());
    assert_eq!(socket.doubts().len(), each_once.len());
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
        for mut socket in [Socket::opened(json!({}), None), Socket::first()] {
            for frame in &frames {
                socket.frame(frame);
                socket.commit();
            }
        }
    }

    #[test]
    fn a_good_stream_with_wrong_bytes_in_it_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = stream();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut socket = Socket::opened(json!({}), None);
        let (one, other) = bytes.split_at(cut.index(bytes.len()));
        for part in [one, other] {
            socket.frame(part);
            socket.commit();
        }
    }
}
