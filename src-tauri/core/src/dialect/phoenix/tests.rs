use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dialect::tests::{connection, nothing, told};
use crate::settings::Connection;

fn settings() -> Connection {
    let message = json!({ "id": "", "title": "{{ topic }}" });
    connection("phoenix", json!({ "subscribe": ["room:1", "news", "room:1"], "message": message }))
}

fn opened(opening: &Opening<'_>) -> (Box<dyn Dialect>, Effects) {
    let mut dialect = crate::dialect::new(&settings());
    let mut effects = Effects::default();
    dialect.opened(opening, &mut effects);
    (dialect, effects)
}

/// A dialect whose topics are joined.
fn joined() -> Box<dyn Dialect> {
    let (mut dialect, _) = opened(&Opening::default());
    heard(dialect.as_mut(), &reply("1", "1", "room:1", "ok", &json!({})));
    assert!(heard(dialect.as_mut(), &reply("2", "2", "news", "ok", &json!({}))).ready);
    dialect
}

fn heard(dialect: &mut dyn Dialect, frame: &Value) -> Effects {
    told(dialect, Incoming::Text(&frame.to_string()))
}

fn reply(join_ref: &str, reference: &str, topic: &str, status: &str, response: &Value) -> Value {
    json!([join_ref, reference, topic, "phx_reply", { "status": status, "response": response }])
}

fn sent(effects: &Effects) -> Vec<Value> {
    let text = |frame: &Outgoing| match frame {
        Outgoing::Text(text) => serde_json::from_str(text).unwrap(),
        Outgoing::Binary(_) => panic!("only texts are sent"),
    };
    effects.frames.iter().map(text).collect()
}

#[test]
fn the_address_names_the_version_once() {
    let check = |given: &str, expected: &str| {
        assert_eq!(address(&Url::parse(given).unwrap(), 7).as_str(), expected);
    };
    check("wss://h/socket/websocket", "wss://h/socket/websocket?vsn=2.0.0");
    check("wss://h/s/websocket?token=a%20b", "wss://h/s/websocket?token=a%20b&vsn=2.0.0");
    check("wss://h/socket/websocket?vsn=2.0.0&a=b", "wss://h/socket/websocket?vsn=2.0.0&a=b");
}

#[test]
fn each_topic_is_joined_once_and_all_of_them_make_it_ready() {
    let (mut dialect, effects) = opened(&Opening::default());
    let joins = json!([["1", "1", "room:1", "phx_join", {}], ["2", "2", "news", "phx_join", {}]]);
    assert_eq!((json!(sent(&effects)), effects.ready), (joins, false));
    let first = heard(dialect.as_mut(), &reply("2", "2", "news", "ok", &json!({ "unread": 3 })));
    assert!(nothing(&first), "{first:?}");
    assert!(nothing(&heard(dialect.as_mut(), &reply("2", "2", "news", "ok", &json!({})))), "once is enough");
    assert!(nothing(&heard(dialect.as_mut(), &reply("1", "9", "room:1", "ok", &json!({})))), "of another frame");
    assert!(nothing(&heard(dialect.as_mut(), &reply("1", "1", "room:2", "ok", &json!({})))), "of another topic");
    let last = heard(dialect.as_mut(), &reply("1", "1", "room:1", "ok", &json!({})));
    assert!(last.ready);
    assert_eq!(last.items, [Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay))]);
    assert!(nothing(&heard(dialect.as_mut(), &reply("1", "1", "room:1", "error", &json!({})))), "the join is over");
}

#[test]
fn a_reply_of_bytes_takes_the_topic_too() {
    let (mut dialect, _) = opened(&Opening::default());
    heard(dialect.as_mut(), &reply("1", "1", "room:1", "ok", &json!({})));
    assert!(told(dialect.as_mut(), Incoming::Binary(b"\x01\x01\x01\x04\x0222newsok\xff\xfe")).ready);
    let (mut dialect, _) = opened(&Opening::default());
    let refused = told(dialect.as_mut(), Incoming::Binary(b"\x01\x01\x01\x04\x0522newserror\xff"));
    assert_eq!(refused.fatal.unwrap().text, "the server refused the topic \"news\"");
}

#[test]
fn the_credentials_are_in_the_joins() {
    let secret = Secret::new("s\"3");
    let check = |opening: Opening<'_>, expected: Value| {
        let (_, effects) = opened(&opening);
        assert_eq!(sent(&effects).iter().map(|join| join[4].clone()).collect::<Vec<_>>(), vec![expected; 2]);
    };
    check(Opening { secret: Some(&secret), ..Opening::default() }, json!({ "token": "s\"3" }));
    check(
        Opening { user: Some("me"), secret: Some(&secret), ..Opening::default() },
        json!({ "user": "me", "token": "s\"3" }),
    );
}

#[test]
fn a_refused_join_is_told_with_the_servers_reason() {
    let check = |response: Value, code: CauseCode, text: &str| {
        let (mut dialect, _) = opened(&Opening::default());
        let effects = heard(dialect.as_mut(), &reply("2", "2", "news", "error", &response));
        let cause = effects.fatal.clone().unwrap();
        assert_eq!((cause.code, cause.text.as_str()), (code, text));
        assert!(!effects.ready && effects.end.is_none());
    };
    let topic = "the server refused the topic \"news\"";
    check(json!({ "reason": "unauthorized" }), CauseCode::Unauthorized, &format!("{topic}: unauthorized"));
    check(json!({ "reason": "Token has expired" }), CauseCode::Unauthorized, &format!("{topic}: Token has expired"));
    check(json!({ "reason": "unmatched topic" }), CauseCode::Configuration, &format!("{topic}: unmatched topic"));
    check(json!({ "code": 7 }), CauseCode::Configuration, &format!("{topic}: {{\"code\":7}}"));
    check(json!({}), CauseCode::Configuration, topic);
    check(json!({ "reason": "a\u{202e}\nb" }), CauseCode::Configuration, &format!("{topic}: a b"));
    let (mut dialect, _) = opened(&Opening::default());
    let crashed = heard(dialect.as_mut(), &reply("2", "2", "news", "error", &json!({ "reason": "join crashed" })));
    assert!(crashed.fatal.is_none() && crashed.end.unwrap().text.ends_with("join crashed"));
    let (mut dialect, _) = opened(&Opening::default());
    let long = heard(dialect.as_mut(), &reply("2", "2", "news", "error", &json!({ "reason": "x".repeat(10_000) })));
    assert!(long.fatal.unwrap().text.chars().count() < 300);
}

#[test]
fn a_push_is_a_message_about_its_topic_and_event() {
    let mut dialect = joined();
    let mut check = |frame: &str, title: &str, body: &str| {
        let effects = told(dialect.as_mut(), Incoming::Text(frame));
        let [Item::Message(message)] = &effects.items[..] else { panic!("{frame}: {:?}", effects.items) };
        assert_eq!((message.title.as_str(), message.body.as_str(), &message.id), (title, body, &None), "{frame}");
        assert_eq!((message.kind, message.size), (MessageKind::Text, frame.len() as u64));
        assert!(effects.trouble.is_none() && effects.end.is_none());
    };
    check(r#"[null,null,"room:1","new_msg",{"id":4,"text":"hi"}]"#, "room:1 new_msg", "hi");
    check(r#"["1",null,"room:1","new_msg",{"b":1, "a":2}]"#, "room:1 new_msg", r#"{"b":1, "a":2}"#);
    check(r#" [ null , null , "elsewhere" , "x" , null ] "#, "elsewhere x", "null");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let effects = told(dialect.as_mut(), Incoming::Text(&format!(r#"[null,null,"news","x",{deep}]"#)));
    assert!(effects.messages().next().unwrap().body.starts_with("[[[["));
}

#[test]
fn what_is_pushed_before_all_is_joined_is_not_lost() {
    let (mut dialect, _) = opened(&Opening::default());
    heard(dialect.as_mut(), &reply("1", "1", "room:1", "ok", &json!({})));
    let early = heard(dialect.as_mut(), &json!(["1", null, "room:1", "hello", {}]));
    assert_eq!(early.messages().count(), 1);
}

#[test]
fn bytes_are_kept_by_their_size() {
    let mut dialect = joined();
    let mut check = |frame: &[u8], title: &str| {
        let effects = told(dialect.as_mut(), Incoming::Binary(frame));
        let message = effects.messages().next().unwrap();
        assert_eq!((message.title.as_str(), message.body.as_str()), (title, ""));
        assert_eq!((message.kind, message.size), (MessageKind::Binary, frame.len() as u64));
    };
    check(b"\x00\x01\x06\x031room:1picabc", "room:1 pic");
    check(b"\x02\0\0pic", "Binary frame");
    check(b"\x02\x04\x03newspic", "news pic");
    check(&[b"\x02\x04\x03newspic".as_slice(), &vec![0xff; 100_000]].concat(), "news pic");
}

#[test]
fn the_end_of_a_channel_ends_the_socket() {
    let check = |frame: Value, expected: Option<(u16, &str)>| {
        let effects = heard(joined().as_mut(), &frame);
        let expected = expected.map(|(code, text)| (CauseCode::Closed(code), text));
        assert_eq!(effects.end.as_ref().map(|cause| (cause.code, cause.text.as_str())), expected, "{frame}");
        assert!(effects.fatal.is_none() && effects.items.is_empty());
    };
    let failed = "the channel of the topic \"news\" failed on the server";
    check(json!(["2", "2", "news", "phx_error", { "reason": "channel_crash" }]), Some((1011, failed)));
    check(json!([null, null, "news", "phx_error", {}]), Some((1011, failed)));
    check(
        json!(["2", "2", "news", "phx_close", {}]),
        Some((1000, "the channel of the topic \"news\" was closed by the server")),
    );
    check(json!(["7", "7", "news", "phx_close", {}]), None);
    check(json!(["2", "2", "other", "phx_error", {}]), None);
}

#[test]
fn heartbeats_are_told_from_everything_else() {
    let mut dialect = joined();
    assert_eq!(dialect.heartbeat(), Some(Outgoing::Text(r#"[null,"3","phoenix","heartbeat",{}]"#.to_owned())));
    assert_eq!(dialect.heartbeat(), Some(Outgoing::Text(r#"[null,"4","phoenix","heartbeat",{}]"#.to_owned())));
    let answer =
        heard(dialect.as_mut(), &json!([null, "4", "phoenix", "phx_reply", { "status": "ok", "response": {} }]));
    assert!(answer.heartbeat_answered && answer.items.is_empty());
    let other = heard(dialect.as_mut(), &reply("1", "4", "room:1", "ok", &json!({})));
    assert!(nothing(&other), "the reply to a frame of the person's");
}

#[test]
fn the_server_hears_of_us_at_least_every_30_seconds() {
    let check = |every: &str, expected: (u64, u64)| {
        let keys = json!({ "subscribe": ["a"], "heartbeat": { "every": every, "timeout": "7s" } });
        let mut effects = Effects::default();
        crate::dialect::new(&connection("phoenix", keys)).opened(&Opening::default(), &mut effects);
        let times = (Duration::from_secs(expected.0), Duration::from_secs(expected.1));
        let keep_alive = KeepAlive { every: times.0, timeout: times.1, always: true, ours: true };
        assert_eq!(effects.keep_alive, Some(keep_alive), "{every}");
    };
    check("30s", (30, 7));
    check("5min", (30, 7));
    check("5s", (5, 7));
}

#[test]
fn topics_must_be_given_and_be_able_to_be_joined() {
    let rule = SPEC.subscribe.unwrap();
    assert!(rule.required);
    assert_eq!((rule.check)("phoenix:1"), None);
    assert_eq!((rule.check)("phoenix").as_deref(), Some("is the topic of the heartbeats"));
}

#[test]
fn what_is_no_message_of_phoenix_ends_the_socket() {
    let frames = [
        "",
        "hello",
        "{}",
        "[]",
        "[null,null,\"a\",\"b\"]",
        "[null,null,\"a\",\"b\",{},1]",
        "[null,null,\"a\",\"b\",{}] x",
        "[null,null,7,\"b\",{}]",
        "[null,null,\"a\",\"phx_reply\",7]",
        r#"{"topic":"room:1","event":"new_msg","payload":{},"ref":null}"#,
    ];
    for frame in frames.map(str::to_owned).into_iter().chain(["[".repeat(100_000), "[],".repeat(14_000_000 / 3)]) {
        let effects = told(joined().as_mut(), Incoming::Text(&frame));
        assert!(effects.end.is_some() && effects.items.is_empty(), "{}", &frame[..frame.len().min(60)]);
    }
    for frame in [&b""[..], b"\x00", b"\x00\x01\x01", b"\x02\xff\x00a", b"\x03\x00\x00", b"\x02\x01\x01\xffa"] {
        let effects = told(joined().as_mut(), Incoming::Binary(frame));
        assert!(effects.end.is_some() && effects.items.is_empty(), "{frame:?}");
    }
}

#[test]
fn the_preset_makes_an_address_of_what_phoenix_js_is_given() {
    let preset: crate::settings::Preset = toml_edit::de::from_str(SPEC.presets[0]).unwrap();
    for given in ["https://h/socket", "https://h/socket/", "wss://h/socket/websocket"] {
        let answers =
            [("server", given), ("topic", "room:lobby")].map(|(name, answer)| (name.to_owned(), answer.to_owned()));
        let form = preset.fill(&crate::settings::ConnectionForm::default(), &answers.into()).unwrap();
        assert!(form.url.as_deref().unwrap().ends_with("://h/socket/websocket"), "{:?}", form.url);
        assert_eq!(form.subscribe, Some(vec!["room:lobby".to_owned()]));
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let mut dialect = joined();
        told(dialect.as_mut(), Incoming::Text(&text));
        told(dialect.as_mut(), Incoming::Binary(&bytes));
    }

    #[test]
    fn a_good_frame_that_is_damaged_does_not_either(which in 0..5_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good = [
            reply("1", "1", "room:1", "ok", &json!({})).to_string().into_bytes(),
            br#"["2",null,"news","new_msg",{"body":"h\u00e9"}]"#.to_vec(),
            br#"["2","2","news","phx_error",{}]"#.to_vec(),
            b"\x00\x01\x06\x031room:1picabc".to_vec(),
            b"\x01\x01\x01\x04\x0222newsok\xff".to_vec(),
        ];
        let mut damaged = good[which].clone();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let (mut dialect, _) = opened(&Opening::default());
        told(dialect.as_mut(), Incoming::Binary(&damaged));
        told(dialect.as_mut(), Incoming::Text(&String::from_utf8_lossy(&damaged)));
        damaged.truncate(at);
        told(dialect.as_mut(), Incoming::Binary(&damaged));
        told(dialect.as_mut(), Incoming::Text(&String::from_utf8_lossy(&damaged)));
    }
}
