use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::acks;
use crate::dialect::tests::connection;
use crate::dialect::{Incoming, KeepAlive, new};
use crate::message::MessageKind;
use crate::secret::Secret;

const RABBIT: &str = "CONNECTED\nserver:RabbitMQ/3.10.8\nsession:session-x\nheart-beat:0,45000\nversion:1.2\n\n\0\n";
const SPRING: &str = "CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0";

fn stomp(subscribe: &[&str]) -> Box<dyn Dialect> {
    new(&connection("stomp", json!({ "subscribe": subscribe })))
}

fn opened(dialect: &mut dyn Dialect, opening: &Opening<'_>) -> Effects {
    let mut effects = Effects::default();
    dialect.opened(opening, &mut effects);
    effects
}

fn frame(dialect: &mut dyn Dialect, text: &str) -> Effects {
    let mut effects = Effects::default();
    dialect.frame(Incoming::Text(text), &mut effects);
    effects
}

fn quiet(dialect: &mut dyn Dialect) -> Vec<Item> {
    let mut effects = Effects::default();
    dialect.quiet(&mut effects);
    effects.items
}

fn sent(effects: &Effects) -> Vec<&str> {
    fn text(frame: &Outgoing) -> &str {
        match frame {
            Outgoing::Text(text) => text,
            Outgoing::Binary(_) => panic!("a binary frame"),
        }
    }
    effects.frames.iter().map(text).collect()
}

/// Subscribed to `/queue/a`, with this cursor of before.
fn resending(cursor: Option<&str>) -> Box<dyn Dialect> {
    let mut dialect = stomp(&["/queue/a"]);
    let cursor = cursor.map(|cursor| ResumeData(cursor.to_owned()));
    opened(dialect.as_mut(), &Opening { cursor: cursor.as_ref(), ..Opening::default() });
    frame(dialect.as_mut(), RABBIT);
    let effects = frame(dialect.as_mut(), "RECEIPT\nreceipt-id:/queue/a\n\n\0\n");
    assert!(effects.ready);
    assert_eq!(effects.items, [Item::Cursor(ResumeData("/queue/a".to_owned()))]);
    dialect
}

fn live() -> Box<dyn Dialect> {
    let mut dialect = resending(None);
    frame(dialect.as_mut(), "RECEIPT\nreceipt-id:over\n\n\0\n");
    assert_eq!(quiet(dialect.as_mut()), [Item::CaughtUp(CaughtUp::FirstContact)]);
    dialect
}

fn message(headers: &str, body: &str) -> String {
    format!("MESSAGE\nsubscription:/queue/a\ndestination:/queue/a\nmessage-id:T@@session-x@@1\n{headers}\n{body}\0\n")
}

fn only_message(effects: &Effects) -> &Message {
    let all: Vec<_> = effects.messages().collect();
    assert_eq!(all.len(), 1, "{effects:?}");
    all[0]
}

#[test]
fn the_first_frame_says_who_we_are() {
    let check = |url: &str, user: Option<&str>, secret: Option<&str>, expected: &str| {
        let keys = json!({ "url": url, "subscribe": ["/topic/a"] });
        let mut dialect = new(&connection("stomp", keys));
        let secret = secret.map(Secret::new);
        let effects = opened(dialect.as_mut(), &Opening { user, secret: secret.as_ref(), ..Opening::default() });
        assert_eq!(sent(&effects), [format!("CONNECT\naccept-version:1.2\n{expected}\n\0")]);
        assert!(!effects.ready);
    };
    check("ws://h/ws", None, None, "host:/\nheart-beat:45000,0\n");
    check("ws://h/ws?vhost=our%2Fteam&x=1", None, None, "host:our/team\nheart-beat:45000,0\n");
    check("ws://h/ws?vhost=a%0Ab", None, None, "host:/\nheart-beat:45000,0\n");
    check("ws://h/", Some("me"), Some("a:\\b"), "host:/\nheart-beat:45000,0\nlogin:me\npasscode:a:\\b\n");
    check("ws://h/", None, Some("token"), "host:/\nheart-beat:45000,0\npasscode:token\nAuthorization:Bearer token\n");
}

#[test]
fn the_server_is_told_of_heart_beats_only_where_they_come() {
    let check = |heartbeat: serde_json::Value, told: &str| {
        let keys = json!({ "subscribe": ["/topic/a"], "heartbeat": heartbeat });
        let effects = opened(new(&connection("stomp", keys)).as_mut(), &Opening::default());
        assert!(sent(&effects)[0].contains(&format!("\nheart-beat:{told}\n")), "{effects:?}");
        let (every, timeout) = (Duration::from_secs(20), Duration::from_secs(10));
        assert_eq!(effects.keep_alive, Some(KeepAlive { every, timeout, always: true, ours: true }));
    };
    check(json!({ "every": "20s" }), "30000,0");
    check(json!({ "kind": "ping", "every": "20s" }), "0,0");
    check(json!({ "kind": "none", "every": "20s" }), "0,0");
}

#[test]
fn connected_counts_from_the_last_receipt() {
    let mut dialect = stomp(&["/queue/a:b", "/topic/x.*\ndurable:true\nauto-delete:false\nselector:a = 'b:c'"]);
    opened(dialect.as_mut(), &Opening::default());
    let effects = frame(dialect.as_mut(), RABBIT);
    assert_eq!(
        sent(&effects),
        [
            "SUBSCRIBE\nid:/queue/a\\cb\ndestination:/queue/a\\cb\nack:client-individual\nreceipt:/queue/a\\cb\n\n\0",
            "SUBSCRIBE\nid:/topic/x.*\ndestination:/topic/x.*\nack:client-individual\nreceipt:/topic/x.*\n\
             durable:true\nauto-delete:false\nselector:a = 'b\\cc'\n\n\0",
        ]
    );
    assert!(!effects.ready && effects.items.is_empty());
    assert!(!frame(dialect.as_mut(), "RECEIPT\nreceipt-id:/topic/x.*\n\n\0").ready);
    assert!(!frame(dialect.as_mut(), "RECEIPT\nreceipt-id:another\n\n\0").ready);
    let effects = frame(dialect.as_mut(), "RECEIPT\nreceipt-id:/queue/a\\cb\n\n\0");
    assert!(effects.ready);
    assert_eq!(effects.items, [Item::Cursor(ResumeData("/queue/a:b\n/topic/x.*".to_owned()))]);
    assert_eq!(sent(&effects), ["BEGIN\ntransaction:over\nreceipt:over\n\n\0", "ABORT\ntransaction:over\n\n\0"],);
}

#[test]
fn a_server_without_receipts_or_without_replay_promises_nothing() {
    let missing = [Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay))];
    let mut spring = stomp(&["/queue/a"]);
    opened(spring.as_mut(), &Opening::default());
    let effects = frame(spring.as_mut(), SPRING);
    assert!(effects.ready);
    assert_eq!((effects.items.as_slice(), effects.frames.len()), (missing.as_slice(), 1));
    let effects =
        frame(spring.as_mut(), "MESSAGE\nsubscription:/queue/a\ndestination:/queue/a\nmessage-id:s-1\n\nhi\0");
    assert_eq!((only_message(&effects).id.as_deref(), effects.items.len()), (None, 1), "nothing to acknowledge");

    for topic in ["/topic/a", "/exchange/amq.topic/a", "a", "/queue/a\nauto-delete:true", "/topic/a\ndurable:true"] {
        let mut rabbit = stomp(&[topic]);
        opened(rabbit.as_mut(), &Opening::default());
        frame(rabbit.as_mut(), RABBIT);
        let name = topic.lines().next().unwrap();
        let effects = frame(rabbit.as_mut(), &format!("RECEIPT\nreceipt-id:{name}\n\n\0"));
        assert!(effects.ready && effects.frames.is_empty());
        assert_eq!(effects.items, missing, "{topic}");
    }
}

#[test]
fn what_a_broker_keeps_depends_on_the_broker() {
    let check = |server: &str, entry: &str, keeps: bool| {
        let mut dialect = stomp(&[entry]);
        opened(dialect.as_mut(), &Opening::default());
        frame(dialect.as_mut(), &format!("CONNECTED\nserver:{server}\nversion:1.2\n\n\0"));
        let name = entry.lines().next().unwrap();
        let effects = frame(dialect.as_mut(), &format!("RECEIPT\nreceipt-id:{name}\n\n\0"));
        assert_eq!(matches!(effects.items[..], [Item::Cursor(_)]), keeps, "{server} {entry:?}");
    };
    let (rabbit, active) = ("RabbitMQ/3.10.8", "ActiveMQ/5.18.3");
    let artemis = "ActiveMQ-Artemis/2.31.2 ActiveMQ Artemis Messaging Engine";
    check(rabbit, "/queue/a", true);
    check(active, "/queue/a", true);
    // Where nobody says how it is routed, everyone who is there gets it.
    check(artemis, "/queue/a", false);
    check(artemis, "a\nsubscription-type:ANYCAST", true);
    for name in ["activemq.subscriptionName", "durable-subscription-name"] {
        let entry = format!("/topic/a\n{name}:laptop");
        check(rabbit, &entry, false);
        check(active, &entry, name.starts_with("activemq"));
        check(artemis, &entry, true);
    }
    check(active, "/topic/a\ndurable:true\nauto-delete:false", false);
    check(artemis, "/topic/a\ndurable:true\nauto-delete:false", false);
}

#[test]
fn a_named_subscription_has_its_client_every_time() {
    let client = |subscribe: &[&str]| {
        let effects = opened(stomp(subscribe).as_mut(), &Opening::default());
        sent(&effects)[0].lines().find_map(|line| line.strip_prefix("client-id:").map(str::to_owned))
    };
    assert_eq!(client(&["/queue/a", "/topic/a\ndurable:true\nauto-delete:false"]), None);
    let named = "/topic/a\nselector:x\nactivemq.subscriptionName:laptop";
    assert_eq!(client(&["/queue/a", named, "/topic/b\ndurable-subscription-name:other"]).as_deref(), Some("laptop"));
}

#[test]
fn a_trial_leaves_no_subscription_and_disturbs_none() {
    let check = |server: &str, entry: &str, expected: &str| {
        let mut dialect = stomp(&[entry]);
        let effects = opened(dialect.as_mut(), &Opening { passing: true, ..Opening::default() });
        assert!(!sent(&effects)[0].contains("client-id"), "{effects:?}");
        let effects = frame(dialect.as_mut(), &format!("CONNECTED\nserver:{server}\nversion:1.2\n\n\0"));
        let [subscribe] = sent(&effects)[..] else { panic!("{effects:?}") };
        let name = entry.lines().next().unwrap();
        let (_, said) = subscribe.split_once(&format!("\ndestination:{name}\n")).unwrap();
        assert_eq!(said.replace(&format!("receipt:{name}\n"), ""), format!("{expected}\n\0"), "{server} {entry:?}");
        frame(dialect.as_mut(), &format!("RECEIPT\nreceipt-id:{name}\n\n\0")).items
    };
    let missing = [Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay))];
    let (rabbit, active, artemis) = ("RabbitMQ/3.10.8", "ActiveMQ/5.18.3", "ActiveMQ-Artemis/2.31.2");
    let named = "/topic/a\nselector:x\nactivemq.subscriptionName:laptop";
    assert_eq!(check(active, named, "ack:auto\nselector:x\n"), missing);
    assert_eq!(check(artemis, "a\ndurable-subscription-name:laptop", "ack:auto\n"), missing);
    let durable = "/topic/a\ndurable:true\nauto-delete:false\nx-queue-name:laptop\nx-queue-type:quorum\nselector:x";
    assert_eq!(check(rabbit, durable, "ack:auto\nselector:x\n"), missing);
    // A queue is there for all, as it was declared.
    let queue = "/queue/a\nauto-delete:false\nx-queue-type:quorum";
    let kept = check(rabbit, queue, "ack:client-individual\nauto-delete:false\nx-queue-type:quorum\n");
    assert!(matches!(kept[..], [Item::Cursor(_)]), "{kept:?}");
    check(rabbit, "/queue/a\nauto-delete:true", "ack:auto\nauto-delete:true\n");
}

#[test]
fn what_a_queue_held_is_old_at_the_first_contact_and_caught_up_later() {
    let check = |cursor: Option<&str>, arrival: Arrival, caught_up: CaughtUp| {
        let mut dialect = resending(cursor);
        assert_eq!(quiet(dialect.as_mut()), [], "not over before the answer");
        assert_eq!(only_message(&frame(dialect.as_mut(), &message("", "one"))).arrival, arrival);
        frame(dialect.as_mut(), "RECEIPT\nreceipt-id:over\n\n\0");
        assert_eq!(only_message(&frame(dialect.as_mut(), &message("", "two"))).arrival, arrival);
        assert_eq!(quiet(dialect.as_mut()), [Item::CaughtUp(caught_up)]);
        assert_eq!(only_message(&frame(dialect.as_mut(), &message("", "three"))).arrival, Arrival::Live);
        let again = frame(dialect.as_mut(), &message("redelivered:true\n", "four"));
        assert_eq!(only_message(&again).arrival, Arrival::CaughtUp);
        assert_eq!(quiet(dialect.as_mut()), [], "once a socket");
    };
    check(None, Arrival::Old, CaughtUp::FirstContact);
    check(Some("/queue/another"), Arrival::Old, CaughtUp::FirstContact);
    check(Some("/queue/a"), Arrival::CaughtUp, CaughtUp::Recovered { keeps: None });
}

#[test]
fn one_topic_without_replay_makes_the_gap_open_but_not_the_queue_new() {
    let mut dialect = stomp(&["/queue/a", "/topic/b"]);
    let cursor = ResumeData("/queue/a".to_owned());
    opened(dialect.as_mut(), &Opening { cursor: Some(&cursor), ..Opening::default() });
    frame(dialect.as_mut(), RABBIT);
    let both = "RECEIPT\nreceipt-id:/queue/a\n\n\0\nRECEIPT\nreceipt-id:/topic/b\n\n\0\n";
    assert!(frame(dialect.as_mut(), both).ready);
    assert_eq!(only_message(&frame(dialect.as_mut(), &message("", "one"))).arrival, Arrival::CaughtUp);
    let live = "MESSAGE\nsubscription:/topic/b\ndestination:/topic/b\nmessage-id:1\n\nx\0";
    assert_eq!(only_message(&frame(dialect.as_mut(), live)).arrival, Arrival::Live);
    frame(dialect.as_mut(), "RECEIPT\nreceipt-id:over\n\n\0");
    assert_eq!(quiet(dialect.as_mut()), [Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay))]);
}

#[test]
fn a_message_is_shaped_by_the_templates_and_has_the_ids_that_last() {
    let mut dialect = live();
    let check = |dialect: &mut dyn Dialect, headers: &str, body: &str, id: Option<&str>, sent_ms: Option<i64>| {
        let effects = frame(dialect, &message(headers, body));
        let message = only_message(&effects);
        assert_eq!((message.id.as_deref(), message.sent_ms), (id, sent_ms), "{headers:?}");
        (message.title.clone(), message.body.clone())
    };
    assert_eq!(check(dialect.as_mut(), "", "hello", None, None), ("/queue/a".to_owned(), "hello".to_owned()));
    let json = r#"{"title":"Order","text":"Two lamps","id":7}"#;
    let shown = check(dialect.as_mut(), "amqp-message-id:9\n", json, Some("7"), None);
    assert_eq!(shown, ("Order".to_owned(), "Two lamps".to_owned()));
    check(dialect.as_mut(), "amqp-message-id:m\\c9\ntimestamp:1700000000\n", "x", Some("m:9"), Some(1_700_000_000_000));
    check(dialect.as_mut(), "timestamp:1700000000123\n", "x", None, Some(1_700_000_000_123));
    check(dialect.as_mut(), "timestamp:soon\n", "x", None, None);

    let mut active = stomp(&["/queue/a"]);
    opened(active.as_mut(), &Opening::default());
    frame(active.as_mut(), "CONNECTED\nserver:ActiveMQ/5.18.3\nversion:1.2\n\n\0");
    let effects = frame(active.as_mut(), "MESSAGE\nsubscription:/queue/a\nmessage-id:ID\\cbox-1\\c1\n\nx\0");
    assert_eq!(only_message(&effects).id.as_deref(), Some("ID:box-1:1"));
}

#[test]
fn a_message_is_acknowledged_once_it_is_kept() {
    let mut dialect = live();
    let effects = frame(dialect.as_mut(), &(message("ack:a\\c1\n", "one") + &message("ack:a2\n", "two")));
    assert!(effects.frames.is_empty());
    assert!(matches!(effects.items[..], [Item::Message(_), Item::Message(_), Item::Mark(1)]), "{effects:?}");
    let effects = frame(dialect.as_mut(), &message("ack:a3\n", "three"));
    assert!(matches!(effects.items[..], [Item::Message(_), Item::Mark(2)]), "{effects:?}");
    let mut effects = Effects::default();
    dialect.committed(1, &mut effects);
    assert_eq!(sent(&effects), ["ACK\nid:a\\c1\n\n\0", "ACK\nid:a2\n\n\0"]);
    let mut effects = Effects::default();
    dialect.committed(1, &mut effects);
    assert!(effects.frames.is_empty());
    dialect.committed(2, &mut effects);
    assert_eq!(sent(&effects), ["ACK\nid:a3\n\n\0"]);
}

#[test]
fn what_cannot_be_kept_is_to_be_acknowledged_only_where_the_broker_keeps_it() {
    let mut dialect = stomp(&["/queue/a", "/topic/b"]);
    opened(dialect.as_mut(), &Opening { passing: true, ..Opening::default() });
    let effects = frame(dialect.as_mut(), RABBIT);
    let modes = |effects: &Effects| -> Vec<bool> {
        sent(effects).iter().map(|frame| frame.contains("\nack:client-individual\n")).collect()
    };
    assert_eq!(modes(&effects), [true, false]);
    let mut dialect = stomp(&["/queue/a\nactivemq.subscriptionName:laptop"]);
    opened(dialect.as_mut(), &Opening { passing: true, ..Opening::default() });
    let effects = frame(dialect.as_mut(), "CONNECTED\nserver:ActiveMQ/5.18.3\nversion:1.2\n\n\0");
    assert_eq!(modes(&effects), [true], "a queue needs no name");
}

#[test]
fn what_the_person_ignores_is_acknowledged_too() {
    let keys = json!({ "subscribe": ["/topic/a"], "message": { "ignore": ["text == 'x'"] } });
    let mut dialect = new(&connection("stomp", keys));
    opened(dialect.as_mut(), &Opening::default());
    frame(dialect.as_mut(), RABBIT);
    let effects = frame(dialect.as_mut(), "MESSAGE\nsubscription:/topic/a\nmessage-id:1\nack:1\n\nx\0");
    assert_eq!(effects.items, [Item::Mark(1)]);
}

#[test]
fn frames_come_in_pieces_and_together() {
    let text = message("ack:1\ncontent-length:5\n", "a\0b\n\0") + "\r\n\n" + &message("", "two") + "\n";
    let text = text.replace("MESSAGE\n", "MESSAGE\r\n");
    for size in [1, 2, 3, 7, text.len()] {
        let mut dialect = live();
        let mut bodies = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            let mut effects = Effects::default();
            dialect.frame(Incoming::Binary(piece), &mut effects);
            assert!(effects.end.is_none(), "{effects:?}");
            bodies.extend(effects.messages().map(|message| (message.body.clone(), message.size)));
        }
        assert_eq!(bodies, [("ab".to_owned(), 5), ("two".to_owned(), 3)], "pieces of {size}");
    }
}

#[test]
fn a_body_that_is_no_text_is_kept_by_its_size() {
    let mut dialect = live();
    let mut effects = Effects::default();
    let head = "MESSAGE\nsubscription:/queue/a\ncontent-length:3\n\n";
    let bytes = [head.as_bytes(), b"\xff\0\xfe\0"];
    dialect.frame(Incoming::Binary(&bytes.concat()), &mut effects);
    let message = only_message(&effects);
    assert_eq!((message.kind, message.size), (MessageKind::Binary, 3));
}

#[test]
fn an_error_is_the_persons_to_mend_where_it_is_about_rights_or_settings() {
    let check = |message: &str, body: &str, expected: CauseCode| {
        let mut dialect = stomp(&["/queue/a"]);
        opened(dialect.as_mut(), &Opening::default());
        let effects = frame(dialect.as_mut(), &format!("ERROR\nmessage:{message}\n\n{body}\n\0"));
        let (fatal, end) = (effects.fatal.clone(), effects.end.clone());
        let cause = if expected == CauseCode::Protocol { end } else { fatal }.unwrap_or_else(|| panic!("{effects:?}"));
        assert_eq!((cause.code, effects.fatal.is_some() && effects.end.is_some()), (expected, false), "{message}");
        assert!(!cause.text.contains('\n'), "{cause:?}");
    };
    check("Bad CONNECT", "Access refused for user 'guest'", CauseCode::Unauthorized);
    check("Bad CONNECT", "Virtual host 'x' access denied", CauseCode::Unauthorized);
    check("access_refused", "ACCESS_REFUSED - access to queue 'x' refused", CauseCode::Unauthorized);
    check("User name [me] or password is invalid.", "java.lang.SecurityException", CauseCode::Unauthorized);
    check("Unknown destination", "'x' is not a valid destination", CauseCode::Configuration);
    check("Bad CONNECT", "Connection refused\\c vhost connection limit reached", CauseCode::Protocol);
    check("Server cancelled subscription", "No more messages", CauseCode::Protocol);
    check("", "", CauseCode::Protocol);
}

#[test]
fn what_breaks_the_protocol_ends_the_session() {
    let check = |text: &str| {
        let mut dialect = stomp(&["/queue/a"]);
        opened(dialect.as_mut(), &Opening::default());
        let effects = frame(dialect.as_mut(), text);
        assert_eq!(effects.end.map(|cause| cause.code), Some(CauseCode::Protocol), "{text:.80}");
        assert!(effects.items.is_empty());
    };
    check("MESSAGE\nmessage-id:1\n\nbefore CONNECTED\0");
    check(&[RABBIT, RABBIT].concat());
    check("HELLO\n\n\0");
    check("ERROR\nno colon\n\n\0");
    check("ERROR\nmessage:unknown \\t escape\n\n\0");
    check("ERROR\nmessage:unknown escape\\\n\n\0");
    check("ERROR\ncontent-length:2\n\nlonger\0");
    check("ERROR\ncontent-length:-2\n\n\0");
    check("ERROR\ncontent-length:99999999999999999999\n\n\0");
    check(&format!("ERROR\nmessage:{}", "x".repeat(65_536)));
    check(&format!("ERROR\n{}\n\0", "a:b\n".repeat(20_000)));
    check("ERROR\ncontent-length:x\n\n\0");
    let mut dialect = stomp(&["/queue/a"]);
    let mut effects = Effects::default();
    dialect.frame(Incoming::Binary(b"ERROR\nmessage:\xff\n\n\0"), &mut effects);
    assert!(effects.end.is_some());
}

#[test]
fn a_body_above_the_limit_says_so_and_one_at_the_limit_is_read() {
    let check = |text: &str| {
        let effects = frame(live().as_mut(), text);
        let end = effects.end.unwrap();
        assert_eq!(end.code, CauseCode::TooLarge, "{text:.80}");
        assert!(end.text.contains("; out of a queue it is sent again"), "{}", end.text);
        assert!(effects.items.is_empty());
    };
    check("MESSAGE\ncontent-length:17825793\n\n");
    check(&format!("MESSAGE\n\n{}", "x".repeat(17_825_793)));
    let largest = frame(live().as_mut(), &message("", &"x".repeat(17_825_792)));
    assert_eq!(only_message(&largest).size, 17_825_792);
}

#[test]
fn a_message_of_the_smallest_frames_stays_small() {
    let smallest = "MESSAGE\n\n\0";
    let effects = frame(live().as_mut(), &smallest.repeat(16 * 1024));
    assert_eq!((effects.messages().count(), effects.end), (16 * 1024, None));
    let effects = frame(live().as_mut(), &smallest.repeat(1_000_000));
    assert_eq!((effects.messages().count(), effects.end.is_some()), (16 * 1024, true));
}

#[test]
fn what_to_do_about_a_message_that_is_too_large_is_said_where_it_comes_again() {
    let said = |dialect: Box<dyn Dialect>| dialect.advice(Refused::TooLarge).is_some();
    assert!(said(live()));
    let mut topic = stomp(&["/topic/a"]);
    opened(topic.as_mut(), &Opening::default());
    frame(topic.as_mut(), RABBIT);
    assert!(!said(topic));
}

#[test]
fn another_version_is_said() {
    for version in ["version:1.1\n", ""] {
        let mut dialect = stomp(&["/queue/a"]);
        let effects = frame(dialect.as_mut(), &format!("CONNECTED\n{version}\n\0"));
        assert_eq!(effects.fatal.map(|cause| cause.code), Some(CauseCode::Configuration));
        assert!(effects.frames.is_empty());
    }
}

#[test]
fn messages_that_nobody_keeps_do_not_fill_the_memory() {
    let mut dialect = live();
    let one = frame(dialect.as_mut(), &message("ack:oldest\n", "x"));
    let many = message("ack:1\n", "x").repeat(1_000);
    let ended = (0..acks::MOST / 1_000).any(|_| frame(dialect.as_mut(), &many).end.is_some());
    assert!(one.end.is_none() && !ended, "the broker would only send them all again");
    let mut effects = Effects::default();
    dialect.committed(u64::MAX, &mut effects);
    let sent = sent(&effects);
    assert!(sent.len() == acks::MOST && sent.iter().all(|frame| *frame == "ACK\nid:1\n\n\0"));
}

#[test]
fn names_of_what_is_to_be_acknowledged_do_not_fill_the_memory_either() {
    let check = |length: usize, ends: bool| {
        let mut dialect = live();
        let effects = frame(dialect.as_mut(), &message(&format!("ack:{}\n", "a".repeat(length)), "x"));
        assert_eq!(effects.end.is_some(), ends, "{length}");
        assert_eq!(effects.items.contains(&Item::Mark(1)), !ends, "{length}");
    };
    check(ACK_MAX, false);
    check(ACK_MAX + 1, true);
}

#[test]
fn a_heart_beat_is_a_line_end_and_the_servers_is_nothing() {
    let mut dialect = live();
    assert_eq!(dialect.heartbeat(), Some(Outgoing::Text("\n".to_owned())));
    for beat in ["\n", "\r\n", "\n\n\n", ""] {
        let effects = frame(dialect.as_mut(), beat);
        assert!(effects.items.is_empty() && effects.end.is_none());
    }
    assert_eq!(connection("stomp", json!({ "subscribe": ["a"] })).heartbeat.every, Duration::from_secs(30));
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_pieces_is_read_the_same(
        bytes in prop_oneof![any::<Vec<u8>>(), "[A-Z\n\r\0:\\\\cn0-9-]{0,60}".prop_map(String::into_bytes)],
        good in 0_usize..4, at in any::<prop::sample::Index>(), size in 1_usize..9,
    ) {
        let whole = RABBIT.to_owned() + &message("ack:1\ncontent-length:1\n", "x") + &message("", "y").repeat(good);
        let mut whole = whole.into_bytes();
        let at = at.index(whole.len());
        whole.splice(at..at.saturating_add(bytes.len() / 2).min(whole.len()), bytes);
        let read = |size: usize| {
            let mut dialect = stomp(&["/queue/a"]);
            let mut items = Vec::new();
            for piece in whole.chunks(size) {
                let mut effects = Effects::default();
                dialect.frame(Incoming::Binary(piece), &mut effects);
                items.extend(effects.items.into_iter().filter(|item| !matches!(item, Item::Mark(_))));
                if effects.end.is_some() || effects.fatal.is_some() {
                    return (items, effects.end.or(effects.fatal));
                }
            }
            (items, None)
        };
        prop_assert_eq!(read(size), read(whole.len()));
    }
}
