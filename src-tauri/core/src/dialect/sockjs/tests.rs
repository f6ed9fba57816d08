use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::{self, CaughtUp, Item, Missing, Shape, tests::connection};
use crate::message::MessageKind;
use crate::settings::MessageSettings;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn said(dialect: &mut dyn Dialect, frame: &str) -> Effects {
    let mut effects = Effects::default();
    dialect.frame(Incoming::Text(frame), &mut effects);
    effects
}

fn bodies(effects: &Effects) -> Vec<&str> {
    effects.messages().map(|message| message.body.as_str()).collect()
}

/// After `o`.
fn open() -> Box<dyn Dialect> {
    let mut dialect = dialect::new(&connection("sockjs", json!({ "heartbeat": { "reply": { "equals": "pong" } } })));
    let mut effects = Effects::default();
    dialect.opened(&Opening::default(), &mut effects);
    assert!(!effects.ready && effects.items.is_empty() && effects.frames.is_empty(), "not before the server's word");
    let effects = said(dialect.as_mut(), "o");
    assert!(effects.ready);
    assert_eq!(effects.items, [Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay))]);
    dialect
}

#[test]
fn each_dial_has_a_session_of_its_own_below_the_base() {
    let check = |base: &str, random, expected: &str| assert_eq!(address(&url(base), random).as_str(), expected);
    check("wss://h/events", 0, "wss://h/events/000/aaaaaaaa/websocket");
    check("ws://h:81/a/b/?jspCode=4%202&x", 7, "ws://h:81/a/b/007/aaaaaaaa/websocket?jspCode=4%202&x");
    check("wss://h", 1042, "wss://h/042/baaaaaaa/websocket");
    check("wss://me:pw@h/%E5%BC%A0//", u64::MAX, "wss://me:pw@h/%E5%BC%A0/615/p5jn2f3g/websocket");
}

#[test]
fn messages_are_those_of_the_plain_dialect() {
    let mut dialect = open();
    let effects =
        said(dialect.as_mut(), r#"a["hello","{\"id\":7,\"title\":\"Order\",\"text\":\"Two lamps\"}","\u5f20"]"#);
    assert_eq!(bodies(&effects), ["hello", "Two lamps", "张"]);
    let order = effects.messages().nth(1).unwrap();
    assert_eq!((order.id.as_deref(), order.title.as_str()), (Some("7"), "Order"));
    assert_eq!(bodies(&said(dialect.as_mut(), r#"a["one",{"b":1,"a":[2]},3]"#)), ["one", r#"{"b":1,"a":[2]}"#, "3"]);
    assert_eq!(bodies(&said(dialect.as_mut(), r#"m"one""#)), ["one"]);
    assert_eq!(bodies(&said(dialect.as_mut(), "a[]")), [""; 0]);
    let mut effects = Effects::default();
    dialect.frame(Incoming::Binary(&[1, 2, 3]), &mut effects);
    let binary = effects.messages().next().unwrap();
    assert_eq!((binary.kind, binary.size), (MessageKind::Binary, 3));
}

#[test]
fn heartbeats_are_no_messages() {
    let mut dialect = open();
    let server = said(dialect.as_mut(), "h");
    assert!(server.items.is_empty() && server.frames.is_empty() && !server.heartbeat_answered && server.end.is_none());
    let answer = said(dialect.as_mut(), r#"a["pong"]"#);
    assert!(answer.heartbeat_answered && answer.items.is_empty());
    assert_eq!(dialect.wrap("ping".to_owned()), Outgoing::Text(r#"["ping"]"#.to_owned()));
    assert_eq!(dialect.wrap("a\"\\\n张".to_owned()), Outgoing::Text("[\"a\\\"\\\\\\n张\"]".to_owned()));
}

#[test]
fn the_servers_last_word_is_the_cause() {
    let check = |frame: &str, code, text: &str| {
        for mut dialect in [open(), dialect::new(&connection("sockjs", json!({})))] {
            let cause = said(dialect.as_mut(), frame).end.unwrap();
            assert_eq!((cause.code, cause.text.as_str()), (code, text), "{frame}");
        }
    };
    check(r#"c[3000,"Go away!"]"#, CauseCode::Closed(3000), "the server ended the session with code 3000: Go away!");
    check(r#"c[1008,""]"#, CauseCode::Closed(1008), "the server ended the session with code 1008");
    check(
        "c[2010,\"\\u202eAnother\\n connection\"]",
        CauseCode::Closed(2010),
        "the server ended the session with code 2010: Another connection",
    );
    for bad in ["c", "c[]", "c[1]", "c[70000,\"x\"]", "c[1,2]", "c[1000,\"\",0]", "c{}", "cc"] {
        check(bad, CauseCode::Protocol, "the server ended the session without a reason that can be read");
    }
}

#[test]
fn what_is_no_sockjs_ends_the_socket() {
    let is_wrong = |dialect: &mut dyn Dialect, frame: &str| {
        let effects = said(dialect, frame);
        assert_eq!(effects.end.map(|cause| cause.code), Some(CauseCode::Protocol), "{frame}");
        assert!(!effects.ready && effects.items.is_empty(), "{frame}");
    };
    for frame in ["", "hello", "a[\"x\"]", "m\"x\"", "oo", "{}", "张"] {
        is_wrong(dialect::new(&connection("sockjs", json!({}))).as_mut(), frame);
    }
    let deep = format!("a{}", "[".repeat(100_000));
    let many = format!("a[{}\"\"]", "[],".repeat(14_000_000 / 3));
    for frame in ["", "o", "x", "hh", "a", "a{}", "a[", "a[\"x\"", "m", "m[", "A[]", "张", &deep, &many] {
        is_wrong(open().as_mut(), frame);
    }
}

#[test]
fn it_stands_in_where_the_server_has_no_websocket_and_nowhere_else() {
    use CauseCode::*;
    let check = |yes: bool, codes: &[CauseCode]| {
        for &code in codes {
            assert_eq!(may_stand_in(&Cause::new(code, "")), yes, "{code}");
        }
    };
    check(true, &[Http(200), Http(400), Http(404), Http(405), Http(410), Http(426), Http(501), Http(505), Protocol]);
    check(false, &[Http(302), Http(407), Http(408), Http(425), Http(429), Http(500), Http(502), Http(503), Http(504)]);
    check(false, &[Http(101), Http(401), Http(403), Unauthorized, Configuration, Closed(1008), Closed(1000), TooLarge]);
    check(false, &[Dns, Refused, Unreachable, ConnectTimeout, Tls, Proxy, HeartbeatTimeout, Reset, NetworkChanged]);
    check(false, &[Slept, ByPerson]);
}

fn small() -> Box<dyn Dialect> {
    let message =
        MessageSettings { title: String::new(), body: "{{ text }}".to_owned(), id: String::new(), ignore: vec![] };
    make(&Arc::new(Context {
        name: "crm".to_owned(),
        url: url("ws://h/"),
        subscribe: Vec::new(),
        every: std::time::Duration::from_secs(30),
        timeout: std::time::Duration::from_secs(10),
        auto_heartbeat: true,
        shape: Arc::new(Shape::new(&message, None)),
    }))
}

proptest! {
    #[test]
    fn every_text_comes_through_both_ways(texts in prop::collection::vec("[^\\p{C}\\s]{1,9}", 0..5), random: u64) {
        let mut dialect = small();
        said(dialect.as_mut(), "o");
        let frame = format!("a{}", json!(texts));
        let effects = said(dialect.as_mut(), &frame);
        prop_assert_eq!(bodies(&effects), texts.clone());
        for text in texts {
            let Outgoing::Text(sent) = dialect.wrap(text.clone()) else { panic!() };
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&sent).unwrap(), [text]);
        }
        let address = address(&url("ws://h/b?q"), random);
        let parts: Vec<_> = address.path_segments().unwrap().collect();
        prop_assert_eq!((parts.len(), parts[0], parts[1].len(), parts[2].len(), parts[3]), (4, "b", 3, 8, "websocket"));
        prop_assert!(parts[1].bytes().all(|byte| byte.is_ascii_digit()));
        prop_assert!(parts[2].bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn nothing_a_server_sends_does_harm(
        frames in prop::collection::vec(any::<String>(), 0..4),
        good in prop::sample::select(vec!["o", "h", r#"a["one","{\"id\":7}"]"#, r#"m"x""#, r#"c[3000,"Go away!"]"#]),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut mutated = good.as_bytes().to_vec();
        let at = at.index(mutated.len());
        mutated[at] = byte;
        let mutated = String::from_utf8_lossy(&mutated).into_owned();
        for opened in [true, false] {
            let mut dialect = small();
            if opened {
                said(dialect.as_mut(), "o");
            }
            for frame in frames.iter().chain([&mutated]) {
                let effects = said(dialect.as_mut(), frame);
                prop_assert!(effects.fatal.is_none() && effects.frames.is_empty());
            }
        }
    }
}
