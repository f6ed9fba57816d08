//! Messages, acknowledgements, duplicates, rounds.

use mqttbytes::v4::{PubAck, PubComp, PubRec, PubRel};

use super::*;
use crate::message::MessageKind;

fn acks(ids: &[u16]) -> Vec<Packet> {
    ids.iter().map(|id| Packet::PubAck(PubAck::new(*id))).collect()
}

#[test]
fn a_publish_is_a_message_of_its_topic() {
    let mut socket = Socket::first();
    let effects = socket.publish(&Publish { topic: "door/front".to_owned(), ..publish(1, r#"{"text":"open"}"#) });
    let message = only_message(&effects);
    assert_eq!((message.title.as_str(), message.body.as_str(), message.size), ("door/front", "open", 15));
    assert_eq!((message.arrival, message.id.as_deref(), message.kind), (Arrival::Live, None, MessageKind::Text));
    assert!(matches!(effects.items[..], [Item::Message(_), Item::Cursor(_), Item::Mark(1)]));

    let bytes = Publish::new("camera", QoS::AtMostOnce, [0xff; 300]);
    let effects = socket.publish(&bytes);
    let message = only_message(&effects);
    assert_eq!((message.kind, message.size), (MessageKind::Binary, 300));
    assert_eq!((message.title.as_str(), message.body.as_str()), ("camera", ""));
    assert_eq!(only_message(&socket.publish(&publish(0, ""))).body, "");
}

#[test]
fn retained_messages_are_old_and_recognised_by_their_content() {
    let mut socket = Socket::first();
    let mut id = |topic: &str, text: &str| {
        let retained = Publish { retain: true, ..Publish::new(topic, QoS::AtMostOnce, text) };
        let effects = socket.publish(&retained);
        assert_eq!(only_message(&effects).arrival, Arrival::Old);
        only_message(&effects).id.clone().unwrap()
    };
    // FNV-1a of 61 00 62.
    assert_eq!(id("a", "b"), "retained-e5d29919042666b2");
    assert_eq!(id("a", "b"), id("a", "b"));
    assert_ne!(id("a", "b"), id("a", "c"));
    assert_ne!(id("a", "b"), id("ab", ""));
    assert_eq!(id("a", r#"{"id":7}"#), "7");
}

#[test]
fn a_message_is_acknowledged_once_it_is_on_disk_and_in_its_order() {
    let mut socket = Socket::first();
    for id in [5, 3, 9] {
        assert!(sent(&socket.publish(&publish(id, "x"))).is_empty());
    }
    let mut effects = Effects::default();
    socket.dialect.committed(2, &mut effects);
    assert_eq!((effects.frames.len(), sent(&effects)), (2, [acks(&[5, 3]), vec![Packet::PingReq]].concat()));
    assert_eq!(socket.commit(), acks(&[9]), "one round at a time");
    assert_eq!(socket.commit(), []);
    assert_eq!(socket.doubts(), [5, 3, 9]);
    let effects = socket.frame(&pingresp());
    assert_eq!((socket.doubts(), sent(&effects)), (vec![9], vec![Packet::PingReq]));
    assert!(matches!(effects.items[..], [Item::Cursor(_)]));
    let effects = socket.frame(&pingresp());
    assert_eq!((socket.doubts(), sent(&effects)), (vec![], vec![]));
    assert!(socket.frame(&pingresp()).items.is_empty(), "an answer that nothing asked for proves nothing");
}

#[test]
fn what_the_person_ignores_is_acknowledged_too() {
    let mut socket = Socket::opened(json!({ "message": { "ignore": ["text == 'tick'"] } }), None);
    socket.frame(&connack(false));
    socket.frame(&suback(1));
    let effects = socket.publish(&publish(4, "tick"));
    assert!(matches!(effects.items[..], [Item::Cursor(_), Item::Mark(1)]));
    assert_eq!(socket.commit(), [acks(&[4]), vec![Packet::PingReq]].concat());
}

#[test]
fn a_broker_that_insists_on_qos_2_gets_its_answers() {
    let mut socket = Socket::first();
    let exact = Publish { qos: QoS::ExactlyOnce, ..publish(6, "once") };
    assert_eq!(texts(&socket.publish(&exact)), ["once"]);
    assert_eq!(socket.commit(), [Packet::PubRec(PubRec::new(6)), Packet::PingReq]);
    assert_eq!(sent(&socket.frame(&packet!(PubRel::new(6)))), [Packet::PubComp(PubComp::new(6))]);
    let mut socket = Socket::opened(json!({}), socket.cursor);
    socket.frame(&connack(true));
    assert!(socket.publish(&Publish { dup: true, ..exact }).messages().next().is_none());
    assert_eq!(socket.commit(), [Packet::PubRec(PubRec::new(6))]);
}

#[test]
fn frames_of_one_batch_share_one_cursor_and_one_mark() {
    let mut socket = Socket::first();
    let mut effects = Effects::default();
    for id in [1, 2, 0, 3] {
        let packet = packet!(publish(id, "x"));
        socket.dialect.frame(Incoming::Binary(&packet), &mut effects);
    }
    socket.dialect.settle(&mut effects);
    assert_eq!(effects.messages().count(), 4);
    assert!(matches!(effects.items[4..], [Item::Cursor(_), Item::Mark(3)]), "{:?}", effects.items);
}

/// Messages in doubt of an earlier socket, then what comes on the next: identifier, text, DUP, and whether it is given.
fn comes_again(doubts: &[(u16, &str)], on_the_next: &[(u16, &str, bool, bool)]) {
    let mut socket = Socket::first();
    for (id, text) in doubts {
        assert_eq!(texts(&socket.publish(&publish(*id, text))), [*text]);
    }
    let mut socket = Socket::opened(json!({}), socket.cursor);
    socket.frame(&connack(true));
    for (id, text, dup, given) in on_the_next {
        let effects = socket.publish(&Publish { dup: *dup, ..publish(*id, text) });
        let expected = if *given { vec![*text] } else { vec![] };
        assert_eq!(texts(&effects), expected, "{doubts:?} {on_the_next:?}: {id}");
        assert!(effects.messages().all(|message| message.arrival == Arrival::CaughtUp));
    }
    let ids: Vec<_> = on_the_next.iter().map(|next| next.0).collect();
    assert_eq!(socket.commit()[..ids.len()], acks(&ids), "everything is acknowledged, given or not");
}

#[test]
fn what_was_given_is_not_given_again() {
    // mosquitto: the same identifiers, DUP.
    comes_again(&[(7, "a"), (8, "b")], &[(7, "a", true, false), (8, "b", true, false), (9, "c", false, true)]);
    // Only the second was not acknowledged.
    comes_again(&[(7, "a"), (8, "b")], &[(8, "b", true, false), (9, "a", false, true)]);
    // Sent before, but never seen here.
    comes_again(&[(7, "ring")], &[(8, "ring", true, true)]);
    comes_again(&[(1, "ring"), (2, "x")], &[(1, "ring", true, false), (2, "x", true, false), (3, "ring", true, true)]);
    // The identifier is another message's by now.
    comes_again(&[(7, "a")], &[(7, "b", true, true), (8, "a", false, true)]);
    // RabbitMQ: DUP, numbered from 1 on each socket.
    comes_again(
        &[(7, "a"), (8, "ring"), (9, "ring")],
        &[
            (1, "a", true, false),
            (2, "ring", true, false),
            (3, "ring", true, false),
            (4, "ring", true, true),
            (5, "a", false, true),
        ],
    );
    comes_again(&[(1, "ring")], &[(1, "ring", false, true)]);
    // It comes in its order, so those before have been acknowledged, or all of it; the others were never seen here.
    let doubts = [(7, "ring"), (8, "a"), (9, "b")];
    comes_again(&doubts, &[(1, "b", true, false), (2, "ring", true, true)]);
    comes_again(&doubts, &[(1, "c", true, true), (2, "ring", true, true)]);
    // aedes: the same identifiers, no DUP.
    comes_again(
        &[(700, "a"), (701, "b")],
        &[(700, "a", false, false), (701, "b", false, false), (9, "a", false, true)],
    );
}

#[test]
fn a_message_that_is_sent_twice_on_one_socket_is_given_once() {
    let mut socket = Socket::first();
    let twice = Publish { dup: true, ..publish(7, "a") };
    assert_eq!(texts(&socket.publish(&publish(7, "a"))), ["a"]);
    assert!(texts(&socket.publish(&twice)).is_empty());
    assert_eq!(socket.commit(), [acks(&[7]), vec![Packet::PingReq]].concat());
    assert!(texts(&socket.publish(&twice)).is_empty());
    assert_eq!(socket.commit(), acks(&[7]));
    assert_eq!(texts(&socket.publish(&publish(7, "a"))), ["a"], "the identifier is free again, and this is news");
}

#[test]
fn doubts_of_an_earlier_socket_end_when_the_broker_has_sent_everything_again() {
    let mut socket = Socket::first();
    socket.publish(&publish(7, "a"));
    let socket = socket.again();
    assert_eq!(socket.doubts(), [0; 0]);
}

#[test]
fn doubts_do_not_outlive_a_socket_on_which_something_new_came() {
    let mut socket = Socket::first();
    for id in [7, 8, 9] {
        socket.publish(&publish(id, "a"));
    }
    let mut socket = Socket::opened(json!({}), socket.cursor);
    socket.frame(&connack(true));
    socket.publish(&Publish { dup: true, ..publish(8, "a") });
    assert_eq!(socket.doubts(), [8, 7, 9]);
    socket.publish(&publish(10, "a"));
    assert_eq!(socket.doubts(), [8, 10]);
    let effects = socket.publish(&Publish { dup: true, ..publish(9, "a") });
    assert!(texts(&effects).is_empty(), "aedes sends the newest before the rest");
}

#[test]
fn caught_up_is_said_after_rounds_in_which_nothing_came() {
    let mut socket = Socket::opened(json!({}), Socket::first().cursor);
    socket.frame(&connack(true));
    assert_eq!(only_message(&socket.publish(&publish(1, "held"))).arrival, Arrival::CaughtUp);
    // What came is not on disk yet, so nothing would be proved.
    let effects = socket.frame(&pingresp());
    assert_eq!((words(&effects), sent(&effects)), (vec![], vec![]));
    assert_eq!(socket.commit(), [acks(&[1]), vec![Packet::PingReq]].concat());
    for _ in 0..5 {
        assert_eq!(words(&socket.frame(&pingresp())), []);
    }
    socket.publish(&publish(2, "more"));
    assert_eq!(socket.commit(), acks(&[2]));
    for round in 0..=10 {
        let said = if round == 10 { vec![RECOVERED] } else { vec![] };
        assert_eq!(words(&socket.frame(&pingresp())), said, "{round}");
    }
    assert_eq!(only_message(&socket.publish(&publish(3, "live"))).arrival, Arrival::Live);
}

#[test]
fn a_busy_topic_does_not_hold_it_up_for_ever() {
    // Messages in each round, then after how many messages it is said.
    let check = |each: u16, expected: u16| {
        let mut socket = Socket::opened(json!({}), Socket::first().cursor);
        socket.frame(&connack(true));
        let mut said = None;
        for number in 1..=20_000 {
            let mut effects = socket.publish(&publish(number, "x"));
            if number % each == 0 {
                socket.commit();
                effects.items.extend(socket.frame(&pingresp()).items);
            }
            if let [word] = words(&effects)[..] {
                assert!(said.replace((number, word)).is_none());
            }
        }
        assert_eq!(said, Some((expected, RECOVERED)), "{each}");
    };
    check(1, 200);
    check(9, 1_800);
    check(10, 10_000);
}

#[test]
fn messages_of_qos_0_need_no_answer_and_are_known_to_be_missed() {
    let mut socket = Socket::first();
    let effects = socket.publish(&publish(0, "fleeting"));
    assert!(matches!(effects.items[..], [Item::Message(_), Item::Cursor(_)]));
    assert!(matches!(socket.publish(&publish(0, "fleeting")).items[..], [Item::Message(_)]));
    let mut socket = Socket::opened(json!({}), socket.cursor);
    socket.frame(&connack(true));
    for _ in 0..9 {
        socket.frame(&pingresp());
        socket.publish(&publish(0, "live"));
    }
    let said = words(&socket.frame(&pingresp()));
    assert_eq!(said, [CaughtUp::Missing(Missing::NoReplay)], "what is not held back is not waited for");
}

#[test]
fn a_heartbeat_is_answered_by_its_own_answer() {
    let mut socket = Socket::first();
    socket.publish(&publish(1, "x"));
    socket.commit();
    let beat = Effects { frames: vec![socket.dialect.heartbeat().unwrap()], ..Effects::default() };
    assert_eq!(sent(&beat), [Packet::PingReq]);
    assert!(!socket.frame(&pingresp()).heartbeat_answered, "of the PINGREQ after the PUBACK");
    assert!(socket.frame(&pingresp()).heartbeat_answered);
    assert!(!socket.frame(&pingresp()).heartbeat_answered);
}
