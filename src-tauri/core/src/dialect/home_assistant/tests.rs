use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dialect::tests::{connection, resolved};
use crate::link::ResumeData;
use crate::settings::{Auth, ConnectionForm, Preset, SecretSource};

const REQUIRED: &str = r#"{"type":"auth_required","ha_version":"2024.3.3"}"#;
const OK: &str = r#"{"type":"auth_ok","ha_version":"2024.3.3"}"#;
const SUBSCRIBED: &str = r#"{"id":1,"type":"result","success":true,"result":null}"#;
const RECOVERED: CaughtUp = CaughtUp::Recovered { keeps: None };

fn new() -> Box<dyn Dialect> {
    crate::dialect::new(&connection("home-assistant", json!({ "url": "ws://h/api/websocket" })))
}

fn effects(of: impl FnOnce(&mut Effects)) -> Effects {
    let mut effects = Effects::default();
    of(&mut effects);
    effects
}

fn said(socket: &mut dyn Dialect, frame: &str) -> Effects {
    effects(|effects| socket.frame(Incoming::Text(frame), effects))
}

fn opened(cursor: Option<&ResumeData>) -> Box<dyn Dialect> {
    let mut socket = new();
    let secret = Secret::new("a\"b");
    let opening = Opening { cursor, secret: Some(&secret), ..Opening::default() };
    let effects = effects(|effects| socket.opened(&opening, effects));
    assert!(!effects.ready && effects.fatal.is_none() && effects.frames.is_empty() && effects.items.is_empty());
    socket
}

/// Until the server lists what is there.
fn subscribed(cursor: Option<&ResumeData>) -> Box<dyn Dialect> {
    let mut socket = opened(cursor);
    for frame in [REQUIRED, OK] {
        assert_eq!(said(socket.as_mut(), frame).frames.len(), 1);
    }
    assert!(said(socket.as_mut(), SUBSCRIBED).ready);
    socket
}

/// An event of notifications: id, second of creation, body.
fn event(kind: &str, notifications: &[(&str, u32, &str)]) -> String {
    let entry = |(id, second, body): &(&str, u32, &str)| {
        let created = format!("2026-11-20T12:{:02}:{:02}.123456+00:00", second / 60, second % 60);
        let one = json!({ "message": body, "notification_id": id, "title": null, "created_at": created });
        ((*id).to_owned(), one)
    };
    let notifications: serde_json::Map<String, Value> = notifications.iter().map(entry).collect();
    let event = json!({ "type": kind, "notifications": notifications });
    json!({ "id": 1, "type": "event", "event": event }).to_string()
}

/// What was told: the bodies of messages with how they came, withdrawals as `-key`, and words on the gap.
fn told(effects: &Effects) -> Vec<String> {
    assert_eq!((&effects.end, &effects.fatal, effects.frames.len()), (&None, &None, 0));
    let word = |item: &Item| match item {
        Item::Message(message) => Some(format!("{} {:?}", message.body, message.arrival)),
        Item::Withdrawn(withdrawal) => Some(format!("-{}", withdrawal.key)),
        Item::CaughtUp(caught_up) => Some(format!("{caught_up:?}")),
        Item::Cursor(_) => None,
        Item::Mark(_) => panic!("{item:?}"),
    };
    effects.items.iter().filter_map(word).collect()
}

fn cursor(effects: &Effects) -> Option<ResumeData> {
    effects.items.iter().rev().find_map(|item| match item {
        Item::Cursor(cursor) => Some(cursor.clone()),
        _ => None,
    })
}

#[test]
fn the_handshake_logs_in_and_subscribes_and_only_then_is_it_ready() {
    let mut socket = opened(None);
    assert!(socket.heartbeat().is_none(), "the server would take it for the token");
    let sent = |effects: Effects| {
        assert!(!effects.ready && effects.items.is_empty() && effects.end.is_none() && effects.fatal.is_none());
        let [Outgoing::Text(text)] = effects.frames.as_slice() else { panic!("{:?}", effects.frames) };
        serde_json::from_str::<Value>(text).unwrap()
    };
    assert_eq!(sent(said(socket.as_mut(), REQUIRED)), json!({ "type": "auth", "access_token": "a\"b" }));
    assert!(socket.heartbeat().is_none());
    assert_eq!(sent(said(socket.as_mut(), OK)), json!({ "id": 1, "type": "persistent_notification/subscribe" }));
    assert!(!said(socket.as_mut(), r#"{"id":2,"type":"result","success":true,"result":null}"#).ready);
    let effects = said(socket.as_mut(), SUBSCRIBED);
    assert!(effects.ready && effects.items.is_empty() && effects.frames.is_empty());
}

#[test]
fn without_a_token_or_with_a_wrong_one_only_the_person_can_help() {
    let effects = effects(|effects| new().opened(&Opening::default(), effects));
    let fatal = effects.fatal.unwrap();
    assert_eq!(fatal.code, CauseCode::Unauthorized);
    assert!(fatal.text.contains("long-lived access token"), "{}", fatal.text);

    let mut socket = opened(None);
    said(socket.as_mut(), REQUIRED);
    let refusal = r#"{"type":"auth_invalid","message":"Invalid access token or password\u202e"}"#;
    let fatal = said(socket.as_mut(), refusal).fatal.unwrap();
    assert_eq!(fatal.code, CauseCode::Unauthorized);
    assert_eq!(fatal.text, "Home Assistant refused the token (Invalid access token or password)");
}

#[test]
fn a_refused_subscription_ends_the_socket() {
    let mut socket = opened(None);
    said(socket.as_mut(), REQUIRED);
    said(socket.as_mut(), OK);
    let refusal =
        r#"{"id":1,"type":"result","success":false,"error":{"code":"unknown_command","message":"Unknown command."}}"#;
    let effects = said(socket.as_mut(), refusal);
    assert!(!effects.ready && effects.fatal.is_none());
    let end = effects.end.unwrap();
    assert_eq!((end.code, end.text.ends_with("(Unknown command.)")), (CauseCode::Protocol, true), "{}", end.text);
}

#[test]
fn a_notification_is_a_message() {
    let check = |fields: &str, title: &str, body: &str, id: Option<&str>, sent_ms: Option<i64>| {
        let mut socket = subscribed(None);
        said(socket.as_mut(), &event("current", &[]));
        let frame =
            format!(r#"{{"id":1,"type":"event","event":{{"type":"added","notifications":{{"a b":{{{fields}}}}}}}}}"#);
        let effects = said(socket.as_mut(), &frame);
        let message = effects.messages().next().unwrap_or_else(|| panic!("{fields}"));
        assert_eq!((message.title.as_str(), message.body.as_str(), message.sent_ms), (title, body, sent_ms));
        assert_eq!((message.key.as_deref(), message.id.as_deref()), (Some("a b"), id));
        assert_eq!((message.priority, message.arrival), (3, Arrival::Live));
    };
    check(
        r#""message":"**Door**","notification_id":"a b","title":"Hall","created_at":"2026-11-20T12:00:00.123456+00:00""#,
        "Hall",
        "**Door**",
        Some("a b@1795176000123456"),
        Some(1_795_176_000_123),
    );
    check(r#""message":21.5,"title":null,"created_at":"soon""#, "crm", "21.5", Some("a b@0"), None);
    check(r#""message":["x",{}],"title":{"a":[]},"created_at":7"#, "crm", "", Some("a b@0"), None);
    check(r#""message":true,"title":-3"#, "-3", "true", Some("a b@0"), None);
}

#[test]
fn at_the_first_contact_what_is_there_is_old_and_every_change_moves_the_cursor() {
    let mut socket = subscribed(None);
    let effects = said(socket.as_mut(), &event("current", &[("b", 9, "later"), ("a", 8, "sooner")]));
    assert_eq!(told(&effects), ["sooner Old", "later Old", "FirstContact"]);
    assert!(cursor(&effects).is_some());
    for (kind, given, expected) in [
        ("added", ("c", 10, "new"), vec!["new Live"]),
        ("added", ("c", 10, "new"), vec![]),
        ("added", ("c", 11, "newer"), vec!["newer Live"]),
        ("updated", ("a", 12, "changed"), vec!["changed Live"]),
        ("removed", ("b", 9, "later"), vec!["-b"]),
        ("renamed", ("b", 9, "later"), vec![]),
    ] {
        let effects = said(socket.as_mut(), &event(kind, &[given]));
        assert_eq!(told(&effects), expected);
        assert_eq!(cursor(&effects).is_some(), kind != "renamed");
    }
}

#[test]
fn after_a_gap_the_difference_is_told() {
    let mut socket = subscribed(None);
    let before = [("kept", 1, "kept"), ("gone", 2, "gone"), ("changed", 3, "old words")];
    let known = cursor(&said(socket.as_mut(), &event("current", &before)));
    let mut socket = subscribed(known.as_ref());
    let after = [("kept", 1, "kept"), ("new", 5, "new"), ("changed", 4, "new words")];
    let effects = said(socket.as_mut(), &event("current", &after));
    let recovered = format!("{RECOVERED:?}");
    assert_eq!(told(&effects), ["-gone", "new words CaughtUp", "new CaughtUp", &recovered]);

    // And once more nothing has changed; then Home Assistant was restarted.
    let known = cursor(&effects);
    let mut socket = subscribed(known.as_ref());
    assert_eq!(told(&said(socket.as_mut(), &event("current", &after))), [recovered.as_str()]);
    let mut socket = subscribed(known.as_ref());
    let effects = said(socket.as_mut(), &event("current", &[]));
    assert_eq!(told(&effects), ["-changed", "-kept", "-new", &recovered]);
}

#[test]
fn a_cursor_that_cannot_be_read_is_told_as_lost_and_what_is_there_may_be_news() {
    for broken in ["", "[]", r#"{"created":{"a":"x"},"older":null}"#] {
        let mut socket = subscribed(Some(&ResumeData(broken.to_owned())));
        let effects = said(socket.as_mut(), &event("current", &[("a", 1, "a")]));
        assert_eq!(told(&effects), ["a CaughtUp", "Missing(CursorLost)"]);
        assert!(cursor(&effects).is_some());
    }
}

#[test]
fn a_list_that_the_server_cannot_say_is_a_gap_and_later_changes_still_come() {
    let mut first = subscribed(None);
    let known = cursor(&said(first.as_mut(), &event("current", &[("a", 1, "a"), ("b", 2, "b")])));
    let failure = r#"{"id":1,"type":"result","success":false,"error":{"code":"unknown_error","message":"Invalid JSON in response"}}"#;
    let mut socket = subscribed(known.as_ref());
    let effects = said(socket.as_mut(), failure);
    assert_eq!(told(&effects), ["Missing(Refused)"]);
    assert!(cursor(&effects).is_none());
    let effects = said(socket.as_mut(), &event("added", &[("c", 3, "c")]));
    assert_eq!(told(&effects), ["c Live"]);
    let known = cursor(&effects);

    let effects = said(socket.as_mut(), failure);
    assert!(told(&effects).is_empty() && effects.trouble.is_some());

    let mut socket = subscribed(known.as_ref());
    let effects = said(socket.as_mut(), &event("current", &[("b", 2, "b"), ("c", 3, "c"), ("d", 2, "d")]));
    assert_eq!(told(&effects), ["-a", "d CaughtUp", &format!("{RECOVERED:?}")]);
}

#[test]
fn without_a_list_at_the_first_contact_the_next_socket_is_the_first_contact() {
    let failure = r#"{"id":1,"type":"result","success":false,"error":{"code":"unknown_error","message":"Invalid JSON in response"}}"#;
    let mut socket = subscribed(None);
    assert_eq!(told(&said(socket.as_mut(), failure)), ["Missing(Refused)"]);
    for change in [event("added", &[("b", 2, "b")]), event("removed", &[("b", 2, "b")])] {
        let effects = said(socket.as_mut(), &change);
        assert_eq!((told(&effects).len(), cursor(&effects)), (1, None), "what else is there is not known");
    }
    let effects = said(socket.as_mut(), failure);
    assert!(told(&effects).is_empty() && effects.trouble.is_some(), "the word was given");
}

#[test]
fn a_frame_may_be_a_list() {
    let mut socket = opened(None);
    said(socket.as_mut(), REQUIRED);
    said(socket.as_mut(), OK);
    let list = [SUBSCRIBED, &event("current", &[]), &event("added", &[("a", 1, "a")])].join(",");
    let effects = said(socket.as_mut(), &format!(" [{list}]"));
    assert!(effects.ready);
    assert_eq!(told(&effects), ["FirstContact", "a Live"]);
}

#[test]
fn a_heartbeat_is_a_ping_whose_number_rises_and_only_its_own_pong_answers() {
    let mut socket = subscribed(None);
    for number in 2..5 {
        let Some(Outgoing::Text(ping)) = socket.heartbeat() else { panic!("no heartbeat") };
        assert_eq!(serde_json::from_str::<Value>(&ping).unwrap(), json!({ "id": number, "type": "ping" }));
        assert!(!said(socket.as_mut(), &json!({ "id": number - 1, "type": "pong" }).to_string()).heartbeat_answered);
        assert!(said(socket.as_mut(), &json!({ "id": number, "type": "pong" }).to_string()).heartbeat_answered);
    }
}

#[test]
fn the_cursor_is_bounded_and_what_it_has_no_room_for_is_not_told_again() {
    let many: Vec<_> = (0..3_000_u32).map(|second| (format!("n{second}"), second)).collect();
    let of = |range: std::ops::Range<usize>| {
        let some: Vec<_> = many[range].iter().map(|(id, second)| (id.as_str(), *second, "x")).collect();
        event("current", &some)
    };
    let mut socket = subscribed(None);
    let effects = said(socket.as_mut(), &of(0..2_000));
    assert_eq!(told(&effects).len(), 2_001);
    let known = cursor(&effects).unwrap();
    assert!(known.0.len() < 15_000, "{}", known.0.len());

    // 1,000 new ones, and 100 gone that were known.
    let mut socket = subscribed(Some(&known));
    let effects = said(socket.as_mut(), &of(0..1_900));
    assert_eq!(told(&effects).len(), 101);
    let mut socket = subscribed(cursor(&effects).as_ref());
    let effects = said(socket.as_mut(), &of(0..3_000));
    assert_eq!(told(&effects).iter().filter(|word| *word == "x CaughtUp").count(), 1_100);

    let long = "i".repeat(256);
    let mut known = Known::default();
    for at in 0..10_000 {
        known.learn(&format!("{at:04}{}", &long[4..]), i64::MAX);
    }
    assert!(known.cursor().0.len() < 150_000);
}

#[test]
fn an_id_that_cannot_be_kept_is_told_once() {
    let long = "i".repeat(257);
    let mut socket = subscribed(None);
    said(socket.as_mut(), &event("current", &[]));
    let effects = said(socket.as_mut(), &event("added", &[(&long, 1, "long")]));
    let message = effects.messages().next().unwrap();
    assert_eq!((&message.id, &message.key), (&None, &None));
    assert_eq!(told(&effects), ["long Live"]);
    let known = cursor(&effects);
    let mut socket = subscribed(known.as_ref());
    assert_eq!(told(&said(socket.as_mut(), &event("current", &[(&long, 1, "long")]))), [format!("{RECOVERED:?}")]);
    assert!(told(&said(socket.as_mut(), &event("removed", &[(&long, 1, "long")]))).is_empty());
}

#[test]
fn what_is_not_home_assistant_ends_the_socket_within_bounds() {
    let deep = format!(r#"{{"type":"event","id":1,"event":{}"#, "[".repeat(100_000));
    let flat = format!("[{}[]]", "[],".repeat(14_000_000 / 3));
    let frames = format!("[{OK}{}]", format!(",{OK}").repeat(4096));
    let pairs: Vec<_> = (0..=10_000).map(|at| format!(r#""{at}":{{}}"#)).collect();
    let notifications =
        format!(r#"{{"id":1,"type":"event","event":{{"type":"current","notifications":{{{}}}}}}}"#, pairs.join(","));
    for frame in ["", "hello", "{}", "null", "[1]", r#"{"type":7}"#, &deep, &flat, &frames, &notifications] {
        let mut socket = subscribed(None);
        let effects = said(socket.as_mut(), frame);
        assert!(effects.items.is_empty() && effects.fatal.is_none());
        let end = effects.end.unwrap_or_else(|| panic!("{}", &frame[..frame.len().min(40)]));
        assert_eq!(end.code, CauseCode::Protocol);
    }
    let effects = effects(|effects| new().frame(Incoming::Binary(b"{}"), effects));
    assert!(effects.end.is_some());
}

#[test]
fn the_preset_asks_for_the_server_and_keeps_the_token_in_the_keyring() {
    let preset: Preset = toml_edit::de::from_str(SPEC.presets[0]).unwrap();
    let answers = [("server".to_owned(), "http://homeassistant.local:8123/".to_owned())].into();
    let filled = preset.fill(&ConnectionForm::default(), &answers).unwrap();
    assert_eq!(preset.id, SPEC.name);
    assert_eq!(filled.url.as_deref(), Some("http://homeassistant.local:8123/api/websocket"));
    let keys = ConnectionForm { url: filled.url, ..preset.connection };
    let connection = connection("home-assistant", serde_json::to_value(keys).unwrap());
    assert_eq!((connection.auth, connection.dialect.spec), (Auth::Token(SecretSource::Keyring), &SPEC));
}

#[test]
fn only_an_address_of_its_api_is_taken() {
    let check = |url: &str, good: bool| {
        assert_eq!(resolved("home-assistant", json!({ "url": url })).is_ok(), good, "{url}");
    };
    check("wss://h/api/websocket", true);
    check("ws://h:8123/sub/api/websocket", true);
    check("ws://h:8123/", false);
    check("ws://h:8123/api", false);
}

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Dismiss(u8),
    Restart,
    Cut,
    Open,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..12u8).prop_map(Step::Create),
        3 => (0..12u8).prop_map(Step::Dismiss),
        1 => Just(Step::Restart),
        2 => Just(Step::Cut),
        3 => Just(Step::Open),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_what_is_shown_is_what_is_there(steps in proptest::collection::vec(step(), 1..80)) {
        let mut there: BTreeMap<String, u32> = BTreeMap::new();
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let (mut socket, mut known, mut second) = (None::<Box<dyn Dialect>>, None, 0);
        let mut take = |effects: Effects, known: &mut Option<ResumeData>, shown: &mut BTreeMap<String, String>| {
            *known = cursor(&effects).or(known.take());
            for item in effects.items {
                match item {
                    Item::Message(message) => {
                        assert!(seen.insert(message.id.unwrap()), "told twice");
                        shown.insert(message.key.unwrap(), message.body);
                    }
                    Item::Withdrawn(withdrawal) => drop(shown.remove(&withdrawal.key)),
                    _ => {}
                }
            }
        };
        for step in steps.into_iter().chain([Step::Cut, Step::Open]) {
            let mut change = None;
            match step {
                Step::Create(id) => {
                    second += 1;
                    there.insert(id.to_string(), second);
                    change = Some(event("added", &[(&id.to_string(), second, &second.to_string())]));
                }
                Step::Dismiss(id) => if let Some(second) = there.remove(&id.to_string()) {
                    change = Some(event("removed", &[(&id.to_string(), second, "")]));
                },
                Step::Restart => {
                    socket = None;
                    there.clear();
                }
                Step::Cut => socket = None,
                Step::Open => if socket.is_none() {
                    let mut new = subscribed(known.as_ref());
                    let words: Vec<_> = there.iter().map(|(id, second)| (id.clone(), *second, second.to_string())).collect();
                    let list: Vec<_> = words.iter().map(|(id, second, word)| (id.as_str(), *second, word.as_str())).collect();
                    take(said(new.as_mut(), &event("current", &list)), &mut known, &mut shown);
                    socket = Some(new);
                },
            }
            if let (Some(socket), Some(change)) = (&mut socket, change) {
                take(said(socket.as_mut(), &change), &mut known, &mut shown);
            }
        }
        let there: BTreeMap<_, _> = there.into_iter().map(|(id, second)| (id, second.to_string())).collect();
        prop_assert_eq!(shown, there);
    }

    #[test]
    fn no_text_panics(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let mut socket = subscribed(Some(&ResumeData(text.clone())));
        said(socket.as_mut(), &text);
        let mut effects = Effects::default();
        socket.frame(Incoming::Binary(&bytes), &mut effects);
    }

    #[test]
    fn no_mutated_frame_panics(at in any::<prop::sample::Index>(), to in any::<char>(), kind in "current|added|removed", second in 0..3_600_u32) {
        let mut frame = event(&kind, &[("a", second, "x"), ("b", 1, "y")]);
        let at = at.index(frame.len());
        frame.replace_range(at..=at, to.encode_utf8(&mut [0; 4]));
        let mut socket = subscribed(None);
        for frame in [&frame, REQUIRED, OK, SUBSCRIBED, &frame] {
            said(socket.as_mut(), frame);
        }
    }
}
