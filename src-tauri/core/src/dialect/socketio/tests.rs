use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::dialect::{self, CaughtUp, Missing, tests::connection};
use crate::link::ResumeData;
use crate::message::MessageKind;

const OPEN: &str = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const JOINED: &str = r#"40{"sid":"x","pid":"p1"}"#;

fn made(keys: Value) -> Box<dyn Dialect> {
    dialect::new(&connection("socketio", keys))
}

fn said(dialect: &mut dyn Dialect, frame: &str) -> Effects {
    let mut effects = Effects::default();
    dialect.frame(Incoming::Text(frame), &mut effects);
    effects
}

fn cursor(text: &str) -> ResumeData {
    ResumeData(text.to_owned())
}

/// Up to the request to connect, which is given too.
fn asking(keys: Value, opening: &Opening<'_>) -> (Box<dyn Dialect>, Vec<String>) {
    let mut dialect = made(keys);
    let mut effects = Effects::default();
    dialect.opened(opening, &mut effects);
    assert!(!effects.ready && effects.frames.is_empty() && effects.items.is_empty());
    let effects = said(dialect.as_mut(), OPEN);
    assert!(!effects.ready && effects.items.is_empty());
    (dialect, texts(&effects))
}

fn texts(effects: &Effects) -> Vec<String> {
    let text = |frame: &Outgoing| match frame {
        Outgoing::Text(text) => text.clone(),
        Outgoing::Binary(_) => panic!("nothing binary is ever sent"),
    };
    effects.frames.iter().map(text).collect()
}

/// At the first contact, with what it makes of the server's answer.
fn connected(answer: &str) -> (Box<dyn Dialect>, Effects) {
    let (mut dialect, asked) = asking(json!({}), &Opening::default());
    assert_eq!(asked, ["40"]);
    let effects = said(dialect.as_mut(), answer);
    assert!(effects.ready);
    (dialect, effects)
}

/// Going on from an offset, up to the request to connect.
fn resuming() -> Box<dyn Dialect> {
    let known = cursor(r#"{"/":{"offset":"PkKf3dW","pid":"p1"}}"#);
    let (dialect, asked) = asking(json!({}), &Opening { cursor: Some(&known), ..Opening::default() });
    assert_eq!(asked, [r#"40{"offset":"PkKf3dW","pid":"p1"}"#]);
    dialect
}

fn message(effects: &Effects) -> &Message {
    let mut messages = effects.messages();
    let first = messages.next().unwrap_or_else(|| panic!("{effects:?}"));
    assert!(messages.next().is_none());
    first
}

#[test]
fn the_address_gets_what_engine_io_needs() {
    let check = |base: &str, expected: &str| {
        assert_eq!(address(&Url::parse(base).unwrap(), 7).as_str(), expected);
    };
    check("wss://h", "wss://h/socket.io/?EIO=4&transport=websocket");
    check("ws://me:pw@h:81/", "ws://me:pw@h:81/socket.io/?EIO=4&transport=websocket");
    check("ws://h/socket.io/?a=%20b&c", "ws://h/socket.io/?EIO=4&transport=websocket&a=%20b&c");
    check("ws://h/my/path?EIO=3&transport=polling&sid=x&t=1", "ws://h/my/path/?EIO=4&transport=websocket&t=1");
}

#[test]
fn the_credentials_go_with_the_request_to_connect() {
    let check = |user, subscribe: Value, expected: &[&str]| {
        let secret = Secret::new("a\"b");
        let opening = Opening { user, secret: Some(&secret), ..Opening::default() };
        let (mut dialect, asked) = asking(json!({ "subscribe": subscribe }), &opening);
        assert_eq!(asked, expected);
        assert_eq!(said(dialect.as_mut(), OPEN).end.map(|cause| cause.code), Some(CauseCode::Protocol));
    };
    check(None, json!([]), &[r#"40{"token":"a\"b"}"#]);
    check(Some("me"), json!(["/news"]), &[r#"40/news,{"password":"a\"b","username":"me"}"#]);
    check(None, json!(["/", "/n", "/n"]), &[r#"40{"token":"a\"b"}"#, r#"40/n,{"token":"a\"b"}"#]);
}

#[test]
fn the_servers_pings_are_answered_and_their_times_are_agreed() {
    let mut dialect = made(json!({}));
    dialect.opened(&Opening::default(), &mut Effects::default());
    let agreed = said(dialect.as_mut(), OPEN).keep_alive.unwrap();
    assert_eq!((agreed.every, agreed.timeout), (Duration::from_secs(25), Duration::from_secs(21)));
    assert!(!agreed.ours && !agreed.always);
    let (mut dialect, _) = connected(JOINED);
    assert_eq!(texts(&said(dialect.as_mut(), "2")), ["3"]);
    for nothing in ["3", "6"] {
        let effects = said(dialect.as_mut(), nothing);
        assert!(effects.frames.is_empty() && effects.items.is_empty() && effects.end.is_none());
    }
    let mut endless = made(json!({}));
    endless.opened(&Opening::default(), &mut Effects::default());
    let agreed =
        said(endless.as_mut(), r#"0{"pingInterval":18446744073709551615,"pingTimeout":0}"#).keep_alive.unwrap();
    assert_eq!((agreed.every, agreed.timeout), (LONGEST, LATER));
}

#[test]
fn at_the_first_contact_there_is_a_cursor_at_once() {
    let (_, effects) = connected(JOINED);
    assert_eq!(effects.items, [Item::Cursor(cursor("{}")), Item::CaughtUp(CaughtUp::FirstContact)]);
    let (_, effects) = connected(r#"40{"sid":"x"}"#);
    assert_eq!(effects.items, [Item::Cursor(cursor("{}")), Item::CaughtUp(CaughtUp::FirstContact)]);
}

#[test]
fn an_event_is_a_message_named_after_it() {
    let (mut dialect, _) = connected(r#"40{"sid":"x"}"#);
    let mut check = |frame: &str, title: &str, body: &str, id: Option<&str>| {
        let effects = said(dialect.as_mut(), frame);
        let message = message(&effects);
        assert_eq!(
            (message.title.as_str(), message.body.as_str(), message.id.as_deref()),
            (title, body, id),
            "{frame}"
        );
        assert_eq!((message.arrival, message.sent_ms, message.kind), (Arrival::Live, None, MessageKind::Text));
        assert_eq!(effects.items.len(), 1);
    };
    check(r#"42["news","hello"]"#, "news", "hello", None);
    check(r#"42["news",{"id":7,"title":"Order","text":"Two lamps"}]"#, "Order", "Two lamps", Some("7"));
    check(r#"42["news",{"b":1,"a":[2]}]"#, "news", r#"{"b":1,"a":[2]}"#, None);
    check(r#"42["news","a",{"b":1}, null]"#, "news", r#"["a",{"b":1},null]"#, None);
    check(r#"42["refresh"]"#, "refresh", "", None);
    check("42[7,true]", "7", "true", None);
    check(r#"42["news","PkKf3dW"]"#, "news", "PkKf3dW", None);
}

#[test]
fn the_offset_of_a_server_that_recovers_is_the_cursor_and_no_content() {
    let (mut dialect, _) = connected(JOINED);
    let mut check = |frame: &str, body: &str, offset: Option<&str>| {
        let effects = said(dialect.as_mut(), frame);
        let message = message(&effects);
        assert_eq!((message.body.as_str(), message.id.as_deref()), (body, offset), "{frame}");
        let cursors = effects.items[1..].to_vec();
        let expected =
            offset.map(|offset| Item::Cursor(cursor(&format!(r#"{{"/":{{"offset":"{offset}","pid":"p1"}}}}"#))));
        assert_eq!(cursors, Vec::from_iter(expected));
        assert_eq!(message.sent_ms, offset.and_then(offset::sent_ms));
    };
    check(r#"42["news","hello","PkKf3dW"]"#, "hello", Some("PkKf3dW"));
    check(r#"42["news","hello","PkKf3dW.0"]"#, "hello", Some("PkKf3dW.0"));
    check(r#"42["news",{"a":1},"b","1699999999999-0"]"#, r#"[{"a":1},"b"]"#, Some("1699999999999-0"));
    check(r#"42["news",{"id":7,"text":"hello"},"PkKf3dW.1"]"#, "hello", Some("PkKf3dW.1"));
    check(r#"42["refresh","655000a9f1d2c3b4a5968778"]"#, "", Some("655000a9f1d2c3b4a5968778"));
    check(r#"42["volatile","hello"]"#, "hello", None);
    check(r#"42["volatile",7]"#, "7", None);
    check(r#"42["volatile"]"#, "", None);
}

#[test]
fn what_was_missed_comes_before_the_answer() {
    let mut dialect = resuming();
    let first = said(dialect.as_mut(), r#"42["news","one","PkKf3dX"]"#);
    assert_eq!((message(&first).arrival, message(&first).id.as_deref()), (Arrival::CaughtUp, Some("PkKf3dX")));
    let moved = Item::Cursor(cursor(r#"{"/":{"offset":"PkKf3dX","pid":"p1"}}"#));
    assert_eq!(first.items.last(), Some(&moved));
    let answer = said(dialect.as_mut(), JOINED);
    assert!(answer.ready);
    assert_eq!(answer.items, [moved, Item::CaughtUp(CaughtUp::Recovered { keeps: None })]);
    let live = said(dialect.as_mut(), r#"42["news","two","PkKf3dY"]"#);
    assert_eq!(message(&live).arrival, Arrival::Live);
}

#[test]
fn a_session_that_is_lost_is_told() {
    let check = |answer: &str, missing| {
        let mut dialect = resuming();
        let effects = said(dialect.as_mut(), answer);
        assert_eq!(effects.items.last(), Some(&Item::CaughtUp(CaughtUp::Missing(missing))), "{answer}");
        dialect
    };
    let mut dialect = check(r#"40{"sid":"y","pid":"p2"}"#, Missing::CursorLost);
    let next = said(dialect.as_mut(), r#"42["news","two","PkKf3dY"]"#);
    assert_eq!(next.items[1..], [Item::Cursor(cursor(r#"{"/":{"offset":"PkKf3dY","pid":"p2"}}"#))]);
    check(r#"40{"sid":"y"}"#, Missing::NoReplay);
    // An earlier contact without an event, and a cursor that is not ours.
    for known in ["{}", "x", r#"{"/":7}"#] {
        let known = cursor(known);
        let (mut dialect, asked) = asking(json!({}), &Opening { cursor: Some(&known), ..Opening::default() });
        assert_eq!(asked, ["40"]);
        let lost = Item::CaughtUp(CaughtUp::Missing(Missing::CursorLost));
        assert_eq!(said(dialect.as_mut(), JOINED).items, [Item::Cursor(cursor("{}")), lost]);
    }
}

#[test]
fn namespaces_have_sessions_of_their_own() {
    let known = cursor(r#"{"/a":{"offset":"PkKf3dW","pid":"pa"}}"#);
    let opening = Opening { cursor: Some(&known), ..Opening::default() };
    let (mut dialect, asked) = asking(json!({ "subscribe": ["/a", "/b"] }), &opening);
    assert_eq!(asked, [r#"40/a,{"offset":"PkKf3dW","pid":"pa"}"#, "40/b,"]);
    assert!(!said(dialect.as_mut(), r#"40/a,{"sid":"x","pid":"pa"}"#).ready);
    assert!(said(dialect.as_mut(), r#"42/c,["news","of nobody"]"#).items.is_empty());
    let effects = said(dialect.as_mut(), r#"40/b,{"sid":"y","pid":"pb"}"#);
    assert!(effects.ready);
    assert_eq!(effects.items, [Item::Cursor(known), Item::CaughtUp(CaughtUp::Missing(Missing::CursorLost))]);
    let effects = said(dialect.as_mut(), r#"42/b,["news","two","PkKf3dY"]"#);
    let both = r#"{"/a":{"offset":"PkKf3dW","pid":"pa"},"/b":{"offset":"PkKf3dY","pid":"pb"}}"#;
    assert_eq!(effects.items[1..], [Item::Cursor(cursor(both))]);
    assert_eq!(dialect.wrap("a\"".to_owned()), Outgoing::Text(r#"42/a,["message","a\""]"#.to_owned()));
    assert_eq!(connected(JOINED).0.wrap("hi".to_owned()), Outgoing::Text(r#"42["message","hi"]"#.to_owned()));
}

#[test]
fn a_lost_session_is_not_gone_on_from_before_it_is_told() {
    let known = cursor(r#"{"/a":{"offset":"PkKf3dW","pid":"pa"},"/b":{"offset":"PkKf3dX","pid":"pb"}}"#);
    let opening = Opening { cursor: Some(&known), ..Opening::default() };
    let (mut dialect, _) = asking(json!({ "subscribe": ["/a", "/b"] }), &opening);
    assert!(said(dialect.as_mut(), r#"40/a,{"sid":"x","pid":"new"}"#).items.is_empty());
    // Were the socket to end now, a cursor of the new session would hide that the old one is gone.
    let effects = said(dialect.as_mut(), r#"42/a,["news","two","PkKf3dY"]"#);
    assert!(matches!(effects.items[..], [Item::Message(_)]), "{effects:?}");
    let effects = said(dialect.as_mut(), r#"42/b,["news","missed","PkKf3dZ"]"#);
    assert!(matches!(effects.items[..], [Item::Message(_)]), "{effects:?}");
    // Later it is all that the next socket can go on from.
    let effects = said(dialect.as_mut(), r#"40/b,{"sid":"y","pid":"pb"}"#);
    let after = r#"{"/a":{"offset":"PkKf3dY","pid":"new"},"/b":{"offset":"PkKf3dZ","pid":"pb"}}"#;
    assert_eq!(effects.items, [Item::Cursor(cursor(after)), Item::CaughtUp(CaughtUp::Missing(Missing::CursorLost))]);
}

#[test]
fn what_the_server_wants_acknowledged_is_on_disk_before() {
    let (mut dialect, _) = connected(JOINED);
    let one = said(dialect.as_mut(), r#"4212["news","hello","PkKf3dW"]"#);
    assert_eq!((message(&one).body.as_str(), &one.items[1..]), (r#"["hello","PkKf3dW"]"#, &[Item::Mark(1)][..]));
    assert!(one.frames.is_empty());
    let two = said(dialect.as_mut(), r#"4213["news","again"]"#);
    assert_eq!(two.items[1..], [Item::Mark(2)]);
    said(dialect.as_mut(), r#"4214["news","again"]"#);
    let mut effects = Effects::default();
    dialect.committed(2, &mut effects);
    assert_eq!(texts(&effects), ["4312[]", "4313[]"]);
    let mut effects = Effects::default();
    dialect.committed(3, &mut effects);
    assert_eq!(texts(&effects), ["4314[]"]);
}

#[test]
fn binary_events_are_complete_or_not_at_all() {
    let (mut dialect, _) = connected(JOINED);
    let binary = |dialect: &mut dyn Dialect, size| {
        let mut effects = Effects::default();
        dialect.frame(Incoming::Binary(&vec![0; size]), &mut effects);
        effects
    };
    let photo = r#"452-["photo",{"_placeholder":true,"num":0},{"num":1,"_placeholder":true},"PkKf3dW"]"#;
    assert!(said(dialect.as_mut(), photo).items.is_empty());
    assert!(binary(dialect.as_mut(), 5).items.is_empty());
    assert_eq!(texts(&said(dialect.as_mut(), "2")), ["3"]);
    let effects = binary(dialect.as_mut(), 7);
    let whole = message(&effects);
    assert_eq!((whole.kind, whole.size, whole.id.as_deref()), (MessageKind::Binary, 12, Some("PkKf3dW")));
    assert!(matches!(effects.items[1], Item::Cursor(_)));
    said(dialect.as_mut(), r#"451-8["photo",{"text":"A cat","photo":{"_placeholder":true,"num":0}}]"#);
    let effects = binary(dialect.as_mut(), 1);
    assert_eq!((message(&effects).body.as_str(), message(&effects).kind), ("A cat", MessageKind::Text));
    assert_eq!(effects.items[1..], [Item::Mark(1)]);
    said(dialect.as_mut(), r#"461-9[{"_placeholder":true,"num":0}]"#);
    assert!(binary(dialect.as_mut(), 1).items.is_empty());
    assert!(binary(dialect.as_mut(), 1).end.is_some(), "it belongs to nothing");
    said(dialect.as_mut(), photo);
    assert!(said(dialect.as_mut(), r#"42["news","hello"]"#).end.is_some());
}

#[test]
fn a_refusal_is_final_and_says_why() {
    use CauseCode::{Configuration, Unauthorized};
    let check = |answer: &str, code, text: &str| {
        let (mut dialect, _) = asking(json!({}), &Opening::default());
        let cause = said(dialect.as_mut(), answer).fatal.unwrap();
        assert_eq!((cause.code, cause.text.as_str()), (code, text), "{answer}");
    };
    check(r#"44{"message":"bad token","data":{"x":1}}"#, Unauthorized, "the server refused this client: bad token");
    check(r#"44"go away""#, Unauthorized, "the server refused this client: go away");
    check(r#"44"Unable to connect""#, Configuration, "the server has no namespace /");
    check(r#"41{"message":"bad token"}"#, Unauthorized, "the server refused this client: bad token");
    check("44{}", Unauthorized, "the server refused this client");
    check("44", Unauthorized, "the server refused this client");
    check(r#"44{"message":"Invalid namespace"}"#, Configuration, "the server has no namespace /");
    check("40", Configuration, "the server speaks Socket.IO 2 or earlier, which is not spoken here");
    check("40{}", Configuration, "the server speaks Socket.IO 2 or earlier, which is not spoken here");
}

#[test]
fn the_servers_end_is_not_the_connections() {
    for frame in ["1", "41"] {
        let (mut dialect, _) = connected(JOINED);
        let effects = said(dialect.as_mut(), frame);
        assert_eq!((effects.end.unwrap().code, effects.fatal), (CauseCode::Closed(1005), None), "{frame}");
    }
}

#[test]
fn what_is_no_socket_io_ends_the_socket() {
    let is_wrong = |dialect: &mut dyn Dialect, frame: &str| {
        let effects = said(dialect, frame);
        assert_eq!(effects.end.map(|cause| cause.code), Some(CauseCode::Protocol), "{frame:.40}");
        assert!(effects.items.is_empty() && effects.fatal.is_none(), "{frame:.40}");
    };
    for frame in ["", "hello", "2", "40", "0", "0{}", r#"0{"pingInterval":-1,"pingTimeout":1}"#, "o", "张"] {
        let mut dialect = made(json!({}));
        dialect.opened(&Opening::default(), &mut Effects::default());
        is_wrong(dialect.as_mut(), frame);
    }
    let deep = format!("42[\"a\",{}", "[".repeat(100_000));
    let many = format!("42[\"a\",{}0]", "[],".repeat(14_000_000 / 3));
    let long = format!("42{}[\"a\"]", "1".repeat(21));
    let frames = [
        "",
        OPEN,
        JOINED,
        "4",
        "47",
        "5",
        "7",
        "x",
        "42",
        "42[]",
        "42{}",
        "42[{}]",
        "42[null]",
        "42[\"a\"",
        "42[\"a\"]]",
        "45[\"a\"]",
        "450-[\"a\"]",
        "45x-[\"a\"]",
        "4599999999999-[\"a\"]",
        "张",
        &deep,
        &many,
        &long,
    ];
    for frame in frames {
        is_wrong(connected(JOINED).0.as_mut(), frame);
    }
    // A bare 4294967295 attachments take no memory before they come.
    assert!(said(connected(JOINED).0.as_mut(), "454294967295-[\"a\"]").end.is_none());
    let nested = format!("42[\"a\",{}1{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(message(&said(connected(JOINED).0.as_mut(), &nested)).size, 200_001);
}

proptest! {
    #[test]
    fn events_come_through(name in "[^\\p{C}\\s\"]{1,9}", text in "[^\\p{C}\\s]{1,9}") {
        let (mut dialect, _) = connected(r#"40{"sid":"x"}"#);
        let effects = said(dialect.as_mut(), &format!("42{}", json!([name, text])));
        prop_assert_eq!((&message(&effects).title, &message(&effects).body), (&name, &text));
    }

    #[test]
    fn nothing_a_server_sends_does_harm(
        frames in prop::collection::vec(any::<String>(), 0..4),
        good in prop::sample::select(vec![
            OPEN, JOINED, "2", r#"42["news","hello","PkKf3dW"]"#, r#"42/a,12["x",{"y":1}]"#, r#"44{"message":"no"}"#,
            r#"451-["photo",{"_placeholder":true,"num":0},"PkKf3dW.1"]"#, "41", "1",
        ]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        after in 0..3,
    ) {
        let mut mutated = good.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(mutated.len());
            mutated[at] = byte;
        }
        let mutated = String::from_utf8_lossy(&mutated).into_owned();
        let mut dialect = match after {
            0 => made(json!({ "subscribe": ["/a"] })),
            1 => resuming(),
            _ => connected(JOINED).0,
        };
        for frame in [&mutated].into_iter().chain(&frames).chain([&mutated]) {
            said(dialect.as_mut(), frame);
            dialect.frame(Incoming::Binary(frame.as_bytes()), &mut Effects::default());
            dialect.committed(1, &mut Effects::default());
        }
    }
}
