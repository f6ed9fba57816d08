use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dialect::tests::{connection, nothing, told};
use crate::settings::{ConnectionForm, Preset};

const ROOM: &str = r#"{"room": 7, "channel": "RoomChannel"}"#;

fn identifiers() -> [String; 2] {
    [r#"{"channel":"NewsChannel"}"#.to_owned(), ROOM.to_owned()]
}

fn opened() -> (Box<dyn Dialect>, Effects) {
    let keys =
        json!({ "subscribe": ["NewsChannel", ROOM, "NewsChannel"], "message": { "title": "{{ topic }}", "id": "" } });
    let mut dialect = crate::dialect::new(&connection("action-cable", keys));
    let mut effects = Effects::default();
    dialect.opened(&Opening::default(), &mut effects);
    (dialect, effects)
}

/// A dialect whose channels are confirmed.
fn subscribed() -> Box<dyn Dialect> {
    let (mut dialect, _) = opened();
    heard(dialect.as_mut(), &json!({ "type": "welcome" }));
    for identifier in identifiers() {
        heard(dialect.as_mut(), &json!({ "identifier": identifier, "type": "confirm_subscription" }));
    }
    dialect
}

fn heard(dialect: &mut dyn Dialect, frame: &Value) -> Effects {
    told(dialect, Incoming::Text(&frame.to_string()))
}

#[test]
fn silence_of_nine_seconds_is_death_since_the_server_speaks_every_three() {
    let (_, effects) = opened();
    let times = (Duration::from_secs(3), Duration::from_secs(6));
    assert_eq!(effects.keep_alive, Some(KeepAlive { every: times.0, timeout: times.1, always: false, ours: false }));
    assert!(!effects.ready && effects.frames.is_empty(), "the server speaks first");
}

#[test]
fn each_channel_is_subscribed_to_once_and_all_of_them_make_it_ready() {
    let (mut dialect, _) = opened();
    let welcome = heard(dialect.as_mut(), &json!({ "type": "welcome" }));
    let sent: Vec<Value> = welcome
        .frames
        .iter()
        .map(|frame| match frame {
            Outgoing::Text(text) => serde_json::from_str(text).unwrap(),
            Outgoing::Binary(_) => panic!("only texts are sent"),
        })
        .collect();
    let [news, room] = identifiers();
    let subscribe = |identifier: &str| json!({ "command": "subscribe", "identifier": identifier });
    assert_eq!((sent, welcome.ready), (vec![subscribe(&news), subscribe(&room)], false));
    assert!(nothing(&heard(dialect.as_mut(), &json!({ "type": "welcome" }))), "once is enough");
    let confirm = |identifier: &str| json!({ "identifier": identifier, "type": "confirm_subscription" });
    assert!(nothing(&heard(dialect.as_mut(), &confirm(&room))));
    assert!(nothing(&heard(dialect.as_mut(), &confirm(&room))));
    assert!(nothing(&heard(dialect.as_mut(), &confirm("{}"))));
    let last = heard(dialect.as_mut(), &confirm(&news));
    assert!(last.ready);
    assert_eq!(last.items, [Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay))]);
}

#[test]
fn what_is_broadcast_is_a_message_about_its_channel() {
    let [news, room] = identifiers();
    let mut dialect = subscribed();
    let mut check = |frame: String, title: &str, body: &str| {
        let effects = told(dialect.as_mut(), Incoming::Text(&frame));
        let [Item::Message(message)] = &effects.items[..] else { panic!("{frame}: {:?}", effects.items) };
        assert_eq!((message.title.as_str(), message.body.as_str(), &message.id), (title, body, &None), "{frame}");
        assert_eq!(message.size, frame.len() as u64);
    };
    let frame = |identifier: &str, message: Value| json!({ "identifier": identifier, "message": message }).to_string();
    check(frame(&news, json!({ "id": 4, "text": "hi" })), "NewsChannel", "hi");
    check(frame(&room, json!("plain text")), ROOM, r#""plain text""#);
    check(frame("{\"channel\":\"Else\"}", json!({ "a": 1 })), r#"{"channel":"Else"}"#, r#"{"a":1}"#);
    check(
        format!(r#"{{"message": {{"b":1, "a":2}} , "identifier":{}}}"#, json!(news)),
        "NewsChannel",
        r#"{"b":1, "a":2}"#,
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let frame = format!(r#"{{"identifier":{},"message":{deep}}}"#, json!(news));
    assert!(told(dialect.as_mut(), Incoming::Text(&frame)).messages().next().unwrap().body.starts_with("[[[["));
}

#[test]
fn what_is_broadcast_before_all_is_confirmed_is_not_lost() {
    let (mut dialect, _) = opened();
    heard(dialect.as_mut(), &json!({ "type": "welcome" }));
    let early = heard(dialect.as_mut(), &json!({ "identifier": ROOM, "message": {} }));
    assert_eq!(early.messages().count(), 1);
}

#[test]
fn pings_and_what_is_not_known_yet_are_passed_over() {
    for frame in [
        json!({ "type": "ping", "message": 1_763_640_000 }),
        json!({ "type": "confirm_history", "identifier": ROOM }),
        json!({ "type": "confirm_subscription" }),
        json!({ "type": "welcome", "sid": "x" }),
        json!({ "identifier": "other", "type": "reject_subscription" }),
    ] {
        assert!(nothing(&heard(subscribed().as_mut(), &frame)), "{frame}");
    }
}

#[test]
fn a_rejected_channel_waits_for_the_person() {
    let (mut dialect, _) = opened();
    let effects = heard(dialect.as_mut(), &json!({ "identifier": identifiers()[0], "type": "reject_subscription" }));
    let cause = effects.fatal.unwrap();
    assert_eq!(cause.code, CauseCode::Unauthorized);
    assert_eq!(cause.text, "the server rejected the subscription to NewsChannel");
}

#[test]
fn the_servers_goodbye_says_whether_to_come_back() {
    let check = |reason: Value, reconnect: Value, end: Option<&str>, fatal: Option<(CauseCode, &str)>| {
        let frame = json!({ "type": "disconnect", "reason": reason, "reconnect": reconnect });
        let effects = heard(subscribed().as_mut(), &frame);
        assert_eq!(effects.end.as_ref().map(|cause| cause.text.as_str()), end, "{frame}");
        assert_eq!(effects.fatal.as_ref().map(|cause| (cause.code, cause.text.as_str())), fatal, "{frame}");
    };
    check(json!("server_restart"), json!(true), Some("the server ended the connection: server_restart"), None);
    check(Value::Null, json!(true), Some("the server ended the connection"), None);
    check(Value::Null, Value::Null, Some("the server ended the connection"), None);
    let unauthorized = (CauseCode::Unauthorized, "the server refused the connection as unauthorized");
    check(json!("unauthorized"), json!(false), None, Some(unauthorized));
    let remote = (CauseCode::Closed(1000), "the server ended the connection and wants no other: remote");
    check(json!("re\u{202e}mote"), json!(false), None, Some(remote));
}

#[test]
fn a_channel_is_a_name_or_an_object_that_has_one() {
    let rule = SPEC.subscribe.unwrap();
    assert!(rule.required);
    for good in ["ChatChannel", "Admin::ChatChannel", ROOM, r#" {"channel":"A"}"#] {
        assert_eq!((rule.check)(good), None, "{good}");
    }
    let deep = format!("{{\"channel\":{}", "[".repeat(60_000));
    for bad in ["{}", "{", r#"{"channel":7}"#, r#"{"Channel":"A"}"#, r#"{"channel":"A"} x"#, &deep] {
        assert!((rule.check)(bad).is_some(), "{bad}");
    }
}

#[test]
fn what_is_no_frame_of_action_cable_ends_the_socket() {
    let good = r#"{"type":"ping"}"#;
    for frame in ["", "hello", "7", "[]", "{}", "{\"identifier\":\"x\"}", "{\"type\":7}", &good[..good.len() - 1]]
        .map(str::to_owned)
        .into_iter()
        .chain([
            "[".repeat(100_000),
            "[],".repeat(14_000_000 / 3),
            format!("{{\"a\":[{}0]}}", "[],".repeat(5_000_000 / 3)),
        ])
    {
        let effects = told(subscribed().as_mut(), Incoming::Text(&frame));
        assert!(effects.end.is_some() && effects.items.is_empty(), "{}", &frame[..frame.len().min(60)]);
    }
    assert!(told(subscribed().as_mut(), Incoming::Binary(good.as_bytes())).end.is_some());
}

#[test]
fn the_preset_gives_the_origin_that_the_server_wants() {
    let preset: Preset = toml_edit::de::from_str(SPEC.presets[0]).unwrap();
    let check = |given: &str, url: &str, origin: &str| {
        let answers = [("server", given), ("channel", ROOM)].map(|(name, answer)| (name.to_owned(), answer.to_owned()));
        let form = preset.fill(&ConnectionForm::default(), &answers.into()).unwrap();
        assert_eq!(form.url.as_deref(), Some(url));
        assert_eq!(form.headers.unwrap()["Origin"], origin);
        assert_eq!(form.subscribe, Some(vec![ROOM.to_owned()]));
    };
    check("https://Example.com", "https://Example.com/cable", "https://example.com");
    check("http://localhost:3000/", "http://localhost:3000/cable", "http://localhost:3000");
    check("wss://me:pw@h/app/cable", "wss://me:pw@h/app/cable", "https://h");
    check("WS://[::1]:80/x", "WS://[::1]:80/x/cable", "http://[::1]:80");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let mut dialect = subscribed();
        told(dialect.as_mut(), Incoming::Text(&text));
        told(dialect.as_mut(), Incoming::Binary(&bytes));
    }

    #[test]
    fn a_good_frame_that_is_damaged_does_not_either(which in 0..5_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good = [
            json!({ "type": "welcome" }),
            json!({ "type": "ping", "message": 1 }),
            json!({ "identifier": ROOM, "type": "confirm_subscription" }),
            json!({ "type": "disconnect", "reason": "remote", "reconnect": false }),
            json!({ "identifier": ROOM, "message": { "text": "hé" } }),
        ];
        let mut damaged = good[which].to_string().into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let (mut dialect, _) = opened();
        told(dialect.as_mut(), Incoming::Text(&String::from_utf8_lossy(&damaged)));
        damaged.truncate(at);
        told(dialect.as_mut(), Incoming::Text(&String::from_utf8_lossy(&damaged)));
    }
}
