//! Each event, each end of a catch-up, and what a hostile server may send.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::catch_up::MOST_LIVE;
use super::place::Place;
use super::*;
use crate::dialect::tests::connection;
use crate::dialect::{self, Effects};
use crate::link::{HeartbeatKind, ResumeData};
use crate::message::MessageKind;
use crate::settings::{ConnectionForm, FieldErrorCode, resolve};

const NOW: i64 = 1_700_000_000;

/// A dialect on a new socket, everything that it said, and the newest cursor that it gave.
struct Talk {
    dialect: Box<dyn Dialect>,
    effects: Effects,
    cursor: Option<ResumeData>,
}

impl Talk {
    fn new(cursor: Option<&str>) -> Self {
        let connection = connection("ntfy", json!({ "url": "wss://h/base/a,b/ws?auth=x" }));
        let mut talk =
            Self { dialect: dialect::new(&connection), effects: Effects::default(), cursor: cursor.map(resume) };
        let cursor = talk.cursor.clone();
        talk.say(|dialect, effects| {
            dialect.opened(&Opening { cursor: cursor.as_ref(), ..Opening::default() }, effects);
        });
        assert!(!talk.effects.ready);
        talk
    }

    /// Subscribed at the server's time `NOW`, going on from this cursor.
    fn open(cursor: Option<&str>) -> Self {
        let mut talk = Self::new(cursor);
        talk.live(&open(NOW));
        assert!(talk.effects.ready);
        talk
    }

    fn say(&mut self, what: impl FnOnce(&mut dyn Dialect, &mut Effects)) -> &Effects {
        self.effects = Effects::default();
        what(self.dialect.as_mut(), &mut self.effects);
        for item in &self.effects.items {
            if let Item::Cursor(cursor) = item {
                self.cursor = Some(cursor.clone());
            }
        }
        &self.effects
    }

    fn live(&mut self, event: &Value) -> &Effects {
        let text = format!("{event}\n");
        self.say(|dialect, effects| dialect.frame(Incoming::Text(&text), effects))
    }

    fn fetched(&mut self, fetched: Fetched<'_>) -> &Effects {
        self.say(|dialect, effects| dialect.fetched(fetched, effects))
    }

    /// Both answers end, and nothing was new in the second.
    fn end(&mut self) -> &Effects {
        let effects = self.fetched(Fetched::End);
        if effects.fetch.is_none() {
            return &self.effects;
        }
        assert!(matches!(effects.items[..], [Item::Cursor(_)]) && effects.fetch_after == AGAIN);
        self.fetched(Fetched::End)
    }

    fn part(&mut self, event: &Value) -> &Effects {
        let text = event.to_string();
        self.fetched(Fetched::Part(&text))
    }

    fn url(&self) -> String {
        self.effects.fetch.as_ref().unwrap().url.to_string()
    }

    /// The address that a new socket fetches from which goes on from the newest cursor.
    fn next(&self) -> Self {
        Self::open(self.cursor.as_ref().map(|cursor| cursor.0.as_str()))
    }
}

fn resume(text: &str) -> ResumeData {
    ResumeData(text.to_owned())
}

fn open(time: i64) -> Value {
    json!({ "id": "opened", "time": time, "event": "open", "topic": "a,b" })
}

fn kept(id: &str, time: i64) -> Value {
    json!({ "id": id, "time": time, "expires": time + 43_200, "event": "message", "topic": "a", "message": id })
}

fn withdrawal(id: &str, event: &str, sequence: &str, time: i64) -> Value {
    json!({ "id": id, "sequence_id": sequence, "time": time, "expires": time + 43_200, "event": event, "topic": "a" })
}

fn bodies(effects: &Effects) -> Vec<&str> {
    effects.messages().map(|message| message.body.as_str()).collect()
}

fn word(effects: &Effects) -> CaughtUp {
    maybe_word(effects).unwrap()
}

fn maybe_word(effects: &Effects) -> Option<CaughtUp> {
    let words: Vec<_> = effects
        .items
        .iter()
        .filter_map(|item| if let Item::CaughtUp(word) = item { Some(*word) } else { None })
        .collect();
    assert!(words.len() <= 1);
    words.first().copied()
}

fn recovered(seconds: u64) -> CaughtUp {
    CaughtUp::Recovered { keeps: Some(Duration::from_secs(seconds)) }
}

fn the_message(event: &Value) -> Message {
    let mut talk = Talk::open(None);
    let effects = talk.live(event);
    let messages: Vec<_> = effects.messages().cloned().collect();
    <[Message; 1]>::try_from(messages).unwrap()[0].clone()
}

#[test]
fn an_address_names_topics_and_leaves_the_place_to_us() {
    let check = |url: &str, fault: Option<&str>| {
        let found = check_url(&Url::parse(url).unwrap());
        match fault {
            None => assert_eq!(found, None, "{url}"),
            Some(part) => assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{url}: {found:?}"),
        }
    };
    check("wss://ntfy.sh/alerts/ws", None);
    check("wss://ntfy.sh/a_B-9,builds/ws?auth=abc&priority=high", None);
    check("ws://h:80/behind/a/proxy/alerts/ws", None);
    check(&format!("wss://ntfy.sh/{}/ws", "x".repeat(64)), None);
    check("wss://ntfy.sh/", Some("ends with"));
    check("wss://ntfy.sh/ws", Some("ends with"));
    check("wss://ntfy.sh/alerts", Some("ends with"));
    check("wss://ntfy.sh/alerts/json", Some("ends with"));
    check("wss://ntfy.sh/alerts/ws/", Some("ends with"));
    check(&format!("wss://ntfy.sh/{}/ws", "x".repeat(65)), Some("1 to 64"));
    check("wss://ntfy.sh/a,,b/ws", Some("1 to 64"));
    check("wss://ntfy.sh/a,/ws", Some("1 to 64"));
    check("wss://ntfy.sh/a b/ws", Some("1 to 64"));
    check("wss://ntfy.sh/é/ws", Some("1 to 64"));
    check("wss://ntfy.sh/a/ws?since=all", Some("\"since\""));
    check("wss://ntfy.sh/a/ws?x=1&sched=1", Some("\"sched\""));
}

#[test]
fn a_preset_makes_the_address_and_a_wrong_topic_is_told() {
    let presets: Vec<crate::settings::Preset> =
        SPEC.presets.iter().map(|text| toml_edit::de::from_str(text).unwrap()).collect();
    let resolved = |server: &str, topics: &str| {
        let answers = [("server", server), ("topics", topics)];
        let answers = answers.map(|(name, answer)| (name.to_owned(), answer.to_owned())).into();
        let named = ConnectionForm { name: Some("n".to_owned()), ..ConnectionForm::default() };
        let defaults: ConnectionForm = serde_json::from_value(json!({
            "connect_timeout": "10s",
            "heartbeat": { "kind": "auto", "every": "30s", "timeout": "10s" },
            "reconnect": { "first": "1s", "cap": "30s", "jitter": "full" },
            "message": {}, "auth": { "kind": "none" },
        }))
        .unwrap();
        let wrong = |form: &ConnectionForm| resolve(form, &defaults, &presets).err().unwrap_or_default();
        presets[0].fill_checked(&named, &answers, wrong).map(|form| resolve(&form, &defaults, &presets).unwrap())
    };
    let connection = resolved("https://ntfy.sh/", "alerts, builds").unwrap();
    assert_eq!(connection.url.as_str(), "wss://ntfy.sh/alerts,builds/ws");
    assert_eq!((connection.dialect.spec.name, connection.heartbeat.kind), ("ntfy", HeartbeatKind::Ping));
    let connection = resolved("https://ntfy.sh/", " a ,b,  c").unwrap();
    assert_eq!(connection.url.as_str(), "wss://ntfy.sh/a,b,c/ws");
    for topics in ["a/b", "a?b", "ä", "a;b", "a b", "a,", "a, ,b"] {
        let errors = resolved("http://h", topics).unwrap_err();
        let found: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.code)).collect();
        assert_eq!(found, [("answers.topics", FieldErrorCode::SubscribeInvalid)], "{topics}");
    }
}

#[test]
fn a_text_that_the_server_would_not_survive_is_refused_with_the_reason() {
    let errors = |keys: Value| {
        let keys: ConnectionForm = serde_json::from_value(keys).unwrap();
        let form = json!({ "name": "n", "url": "wss://h/a/ws", "dialect": "ntfy", "connect_timeout": "10s",
            "heartbeat": { "every": "30s", "timeout": "10s" }, "reconnect": { "first": "1s", "cap": "30s", "jitter": "full" },
            "message": {}, "auth": { "kind": "none" } });
        let errors = resolve(&keys, &serde_json::from_value(form).unwrap(), &[]).err().unwrap_or_default();
        errors.into_iter().map(|error| (error.field, error.code, error.message)).collect::<Vec<_>>()
    };
    let text = |length| json!({ "heartbeat": { "kind": "text", "send": "x".repeat(length) } });
    assert_eq!(errors(text(64)), []);
    let [(field, FieldErrorCode::TooLong, message)] = &errors(text(65))[..] else { panic!() };
    assert!(field == "heartbeat.send" && message.contains("closes the socket after more than 64"), "{message}");
    let on_open = errors(json!({ "heartbeat": { "kind": "ping" }, "on_open": ["hello"] }));
    assert_eq!((on_open[0].0.as_str(), on_open[0].1), ("on_open", FieldErrorCode::NotTaken));
}

#[test]
fn at_the_first_contact_the_place_is_the_servers_time_and_nothing_is_fetched() {
    let talk = Talk::open(None);
    assert_eq!(word(&talk.effects), CaughtUp::FirstContact);
    assert!(talk.effects.fetch.is_none());
    assert_eq!(talk.next().url(), format!("https://h/base/a,b/json?auth=x&poll=1&since={NOW}"));
}

#[test]
fn what_was_missed_is_given_in_order_and_the_place_moves_when_all_of_it_is_there() {
    let mut talk = Talk::open(None);
    assert_eq!(bodies(talk.live(&kept("one", NOW + 100))), ["one"]);
    let mut talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
    talk.live(&open(NOW + 101));
    assert_eq!(talk.url(), format!("https://h/base/a,b/json?auth=x&poll=1&since={}", NOW + 85));
    let before = talk.cursor.clone();
    assert!(talk.part(&kept("one", NOW + 100)).items.is_empty(), "it was given");
    let effects = talk.part(&kept("two", NOW + 101));
    assert_eq!((bodies(effects), effects.items.len()), (vec!["two"], 1), "and no cursor");
    assert_eq!(effects.messages().next().unwrap().arrival, Arrival::CaughtUp);
    let effects = talk.live(&kept("four", NOW + 103));
    assert_eq!((bodies(effects), effects.items.len()), (vec!["four"], 1), "at once, and no cursor");
    assert_eq!(effects.messages().next().unwrap().arrival, Arrival::Live);
    assert_eq!(bodies(talk.part(&kept("three", NOW + 102))), ["three"]);
    assert!(talk.part(&kept("four", NOW + 103)).items.is_empty(), "it came live");
    assert_eq!(talk.cursor, before);
    assert_eq!(word(talk.end()), recovered(43_200));
    assert_ne!(talk.cursor, before);
    let effects = talk.live(&kept("five", NOW + 104));
    assert!(matches!(effects.items[..], [Item::Message(_), Item::Cursor(_)]));
    let mut next = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
    assert!(next.live(&open(NOW + 200)).fetch.as_ref().unwrap().url.as_str().ends_with(&format!("={}", NOW + 89)));
    for (at, id) in (100..).zip(["one", "two", "three", "four", "five"]) {
        assert!(next.part(&kept(id, NOW + at)).items.is_empty(), "{id} was given");
    }
}

/// The server gives it the time for which it was scheduled, and delivers up to ten seconds later.
#[test]
fn a_scheduled_message_that_was_delivered_late_is_not_lost() {
    let mut talk = Talk::open(None);
    talk.live(&kept("newest", NOW + 59));
    let mut talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
    let fetch = talk.live(&open(NOW + 70)).fetch.as_ref().unwrap().url.to_string();
    assert!(fetch.ends_with(&format!("since={}", NOW + 44)), "{fetch}");
    assert_eq!(bodies(talk.part(&kept("scheduled", NOW + 50))), ["scheduled"]);
    assert!(talk.part(&kept("newest", NOW + 59)).items.is_empty());
    assert_eq!(word(talk.end()), recovered(43_200));
}

#[test]
fn when_the_socket_is_cut_between_the_answers_the_next_one_asks_for_the_same_seconds() {
    let mut talk = Talk::open(None);
    talk.live(&kept("last", NOW));
    let mut talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
    talk.live(&open(NOW + 100));
    for at in 0..200 {
        talk.live(&kept(&format!("m{at}"), NOW + 101));
    }
    talk.fetched(Fetched::End);
    let mut talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
    talk.live(&open(NOW + 102));
    let url = talk.url();
    assert!(url.ends_with(&format!("since={}", NOW + 98)), "{url}");
}

/// The server hands it to its subscribers and then keeps it.
#[test]
fn a_message_that_the_server_kept_too_late_for_the_first_answer_is_in_the_second() {
    let mut talk = Talk::open(None);
    talk.live(&kept("last", NOW - 100));
    talk.live(&kept("just", NOW + 100));
    let second = |first: &[Value]| {
        let mut talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
        talk.live(&open(NOW + 101));
        for event in first {
            talk.part(event);
        }
        assert!(matches!(talk.fetched(Fetched::End).items[..], [Item::Cursor(_)]));
        let url = talk.url();
        assert!(talk.part(&kept("just", NOW + 100)).items.is_empty());
        assert_eq!(bodies(talk.part(&kept("late", NOW + 100))), ["late"]);
        assert_eq!(word(talk.fetched(Fetched::End)), recovered(43_200));
        url
    };
    let ends = |url: String, since: i64| assert!(url.ends_with(&format!("since={since}")), "{url}");
    ends(second(&[kept("just", NOW + 100)]), NOW + 99);
    ends(second(&[]), NOW + 85);
}

#[test]
fn of_a_flood_only_the_newest_seconds_are_asked_for_again() {
    let mut talk = Talk::open(None);
    for at in 0..1000 {
        talk.live(&kept(&format!("m{at}"), NOW + at / 100));
    }
    let cursor = talk.cursor.unwrap().0;
    assert!(cursor.len() < 1500, "{} bytes", cursor.len());
    let mut talk = Talk::new(Some(&cursor));
    let fetch = talk.live(&open(NOW + 100)).fetch.as_ref().unwrap().url.to_string();
    assert!(fetch.ends_with(&format!("since={}", NOW + 9 - 2)), "{fetch}");
    assert_eq!(bodies(talk.part(&kept("m950", NOW + 9))), ["m950"], "the store knows it");
    assert!(talk.part(&kept("m999", NOW + 9)).items.is_empty());
}

#[test]
fn what_is_older_than_was_asked_for_is_no_news() {
    let mut talk = Talk::open(None).next();
    assert!(talk.part(&kept("old", NOW - 1)).items.is_empty());
    assert_eq!(bodies(talk.part(&kept("new", NOW))), ["new"]);
}

/// Nobody knows how far it went back: what is kept is asked for, and known by its ids.
#[test]
fn a_server_whose_clock_went_back_is_asked_for_all_it_keeps_and_may_have_lost_messages() {
    let mut talk = Talk::open(None);
    talk.live(&kept("future", NOW + 1_000));
    let cut = talk.cursor.unwrap().0;
    let mut talk = Talk::new(Some(&cut));
    let fetch = talk.live(&open(NOW + 500)).fetch.as_ref().unwrap().url.to_string();
    assert!(fetch.ends_with(&format!("since={NOW}")), "{fetch}");
    assert_eq!(bodies(talk.part(&kept("missed", NOW + 400))), ["missed"]);
    assert!(talk.part(&kept("future", NOW + 1_000)).items.is_empty());
    assert_eq!(word(talk.end()), CaughtUp::Missing(Missing::CursorLost));
    let mut talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
    let fetch = talk.live(&open(NOW + 600)).fetch.as_ref().unwrap().url.to_string();
    assert!(fetch.ends_with(&format!("since={}", NOW + 485)), "{fetch}");
    talk.part(&kept("future", NOW + 1_000));
    assert_eq!(word(talk.end()), recovered(43_200), "told once");

    // Before the first contact, and by no more than a message may come late.
    let mut talk = Talk::new(Some(&cut));
    let fetch = talk.live(&open(NOW - 500)).fetch.as_ref().unwrap().url.to_string();
    assert!(fetch.ends_with(&format!("since={}", NOW - 500)), "{fetch}");
    talk.end();
    assert_eq!(bodies(talk.live(&kept("live", NOW - 450))), ["live"]);
    let mut talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
    let fetch = talk.live(&open(NOW - 400)).fetch.as_ref().unwrap().url.to_string();
    assert!(fetch.ends_with(&format!("since={}", NOW - 465)), "{fetch}");
    let mut talk = Talk::new(Some(&cut));
    talk.live(&open(NOW + 985));
    talk.part(&kept("future", NOW + 1_000));
    assert_eq!(word(talk.end()), recovered(43_200));
}

#[test]
fn a_server_that_lost_a_message_which_it_should_have_lost_others() {
    let end = |expires: Option<i64>, now: i64, answer: &[Value]| {
        let mut talk = Talk::open(None);
        let mut last = kept("last", NOW + 10);
        last["expires"] = json!(expires);
        talk.live(&last);
        let mut talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
        talk.live(&open(now));
        for event in answer {
            talk.part(event);
        }
        word(talk.end())
    };
    let lost = CaughtUp::Missing(Missing::CursorLost);
    let day = NOW + 10 + 86_400;
    assert_eq!(end(Some(day), NOW + 50, &[]), lost);
    assert_eq!(end(Some(day), NOW + 50, &[kept("other", NOW + 40)]), lost);
    assert_eq!(end(Some(day), NOW + 50, &[kept("last", NOW + 10)]), recovered(86_400));
    assert_eq!(end(Some(day), day - 1, &[]), recovered(86_400), "it may be gone by now");
    assert_eq!(end(Some(NOW + 13), NOW + 50, &[]), recovered(3));
    assert_eq!(end(Some(NOW + 10), NOW + 50, &[]), recovered(0), "a server that keeps nothing");
    assert_eq!(end(Some(0), NOW + 50, &[]), recovered(0));
    assert_eq!(end(None, NOW + 50, &[]), recovered(43_200), "it was never kept");
}

#[test]
fn how_long_the_server_keeps_messages_is_learnt_anew_on_each_socket() {
    let lasting = |id: &str, time: i64, keeps: i64| {
        let mut event = kept(id, time);
        event["expires"] = json!(time + keeps);
        event
    };
    let mut talk = Talk::open(None);
    talk.live(&lasting("a", NOW, 3600));
    talk.live(&lasting("b", NOW, 7200));
    let mut talk = talk.next();
    talk.part(&lasting("a", NOW, 3600));
    talk.part(&lasting("b", NOW, 3600));
    talk.part(&lasting("c", NOW, 86_400));
    assert_eq!(word(talk.end()), recovered(3600), "the gap began under the old rule");
    let mut talk = talk.next();
    talk.part(&lasting("c", NOW, 86_400));
    assert_eq!(word(talk.end()), recovered(86_400));
}

#[test]
fn an_answer_that_breaks_off_is_taken_again_and_takes_nothing_back() {
    let mut talk = Talk::open(None);
    talk.live(&kept("first", NOW));
    let mut talk = talk.next();
    let answer = [
        kept("first", NOW),
        withdrawal("gone", "message_delete", "s", NOW + 20),
        json!({ "id": "again", "sequence_id": "s", "time": NOW + 40, "event": "message", "topic": "a", "message": "x" }),
    ];
    let given: Vec<_> = answer.iter().map(|event| talk.part(event).items.len()).collect();
    assert_eq!(given, [0, 1, 1]);
    talk.fetched(Fetched::Part("<html>"));
    assert!(talk.fetched(Fetched::Broken).items.is_empty());
    let given: Vec<_> = answer.iter().map(|event| talk.part(event).items.len()).collect();
    assert_eq!(given, [0, 0, 0]);
    assert_eq!(word(talk.end()), recovered(43_200));
    assert!(talk.fetched(Fetched::Part("{}")).items.is_empty(), "nothing is expected any more");
    assert!(talk.end().items.is_empty());
}

#[test]
fn a_refused_or_unreadable_answer_is_a_gap() {
    let missing = CaughtUp::Missing(Missing::Refused);
    let mut talk = Talk::open(None).next();
    assert_eq!(word(talk.fetched(Fetched::Refused(404))), missing);
    assert!(matches!(talk.live(&kept("a", NOW)).items[..], [Item::Message(_), Item::Cursor(_)]));
    let mut talk = Talk::open(None).next();
    talk.fetched(Fetched::Part("<!DOCTYPE html>"));
    assert_eq!(word(talk.end()), missing);
}

/// It has a limit for an answer, and leaves out the oldest.
#[test]
fn an_answer_that_the_server_cut_is_a_gap_and_the_newest_seconds_are_asked_for_again() {
    let mut talk = Talk::open(None);
    talk.live(&kept("last", NOW));
    let mut talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str()));
    talk.live(&open(NOW + 100));
    assert!(talk.effects.fetch.as_ref().is_some_and(|fetch| fetch.cut == Some("x-messages-truncated")));
    assert!(talk.fetched(Fetched::Cut).items.is_empty());
    talk.fetched(Fetched::Broken);
    assert_eq!(bodies(talk.part(&kept("newest", NOW + 90))), ["newest"]);
    talk.fetched(Fetched::End);
    assert!(talk.url().ends_with(&format!("since={}", NOW + 98)), "{}", talk.url());
    assert_eq!(word(talk.fetched(Fetched::End)), CaughtUp::Missing(Missing::Refused));
    let talk = Talk::new(talk.cursor.as_ref().map(|cursor| cursor.0.as_str())).next();
    assert_eq!(maybe_word(&talk.effects), None, "of the next one nothing is known yet");
}

#[test]
fn a_cursor_that_cannot_be_read_is_told_as_lost_and_one_of_another_version_is_read() {
    for cursor in ["", "x", "{}", "[]", r#"{"time":"yesterday"}"#, r#"{"time":1,"recent":7}"#] {
        let talk = Talk::open(Some(cursor));
        assert_eq!(word(&talk.effects), CaughtUp::Missing(Missing::CursorLost), "{cursor}");
        assert!(talk.effects.fetch.is_none());
        assert!(Place::read(talk.cursor.as_ref().unwrap()).is_some());
    }
    let talk = Talk::open(Some(r#"{"time":1600000000,"later":{"a":[1]}}"#));
    assert!(talk.url().ends_with("since=1599999985"));
}

#[test]
fn a_live_message_may_come_before_the_word_that_it_is_subscribed_to() {
    let mut talk = Talk::new(None);
    let effects = talk.live(&kept("early", NOW));
    assert_eq!((bodies(effects), effects.items.len(), effects.ready), (vec!["early"], 1, false));
    let effects = talk.live(&open(NOW));
    assert!(effects.ready);
    assert_eq!(word(effects), CaughtUp::FirstContact);
    let mut talk = talk.next();
    assert!(talk.part(&kept("early", NOW)).items.is_empty());
    assert!(talk.live(&open(NOW)).items.is_empty(), "once is enough");
}

#[test]
fn a_first_frame_of_another_server_ends_the_socket_and_a_later_one_is_kept() {
    for frame in [Incoming::Text("hello"), Incoming::Text("{}"), Incoming::Binary(&[1, 2])] {
        let mut talk = Talk::new(None);
        let effects = talk.say(|dialect, effects| dialect.frame(frame, effects));
        assert_eq!(effects.end.as_ref().map(|end| end.code), Some(CauseCode::Protocol));
        let mut talk = Talk::open(None);
        let effects = talk.say(|dialect, effects| dialect.frame(frame, effects));
        assert!(effects.end.is_none());
        assert_eq!(effects.messages().count(), 1);
    }
}

#[test]
fn a_message_is_shown_as_ntfys_apps_show_it() {
    let full = json!({
        "id": "sPs71M8A2T12", "sequence_id": "door", "time": NOW, "expires": NOW + 1000, "event": "message",
        "topic": "home", "priority": 5, "tags": ["warning", "zfs-error", "skull", "disk 1"],
        "click": "https://h/", "icon": "https://h/i.png", "actions": [{ "id": "1", "action": "view", "label": "L" }],
        "attachment": { "name": "camera.jpg", "type": "image/png", "size": 33848, "url": "https://h/f.png" },
        "title": "Unauthorized access", "message": "Somebody is\nin the yard", "content_type": "text/markdown",
    });
    let size = full.to_string().len() as u64 + 1;
    let message = the_message(&full);
    assert_eq!(message.title, "⚠\u{fe0f} 💀 Unauthorized access");
    let body = "Somebody is\nin the yard\ncamera.jpg, 33 kB, https://h/f.png\nTags: zfs-error, disk 1";
    assert_eq!(message.body, body);
    assert_eq!((message.id.as_deref(), message.key.as_deref()), (Some("sPs71M8A2T12"), Some("home/door")));
    assert_eq!((message.priority, message.size, message.sent_ms), (5, size, Some(NOW * 1000)));
    assert_eq!((message.kind, message.arrival), (MessageKind::Text, Arrival::Live));

    let message = the_message(&json!({
        "id": "x", "time": NOW, "event": "message", "topic": "home", "message": "done", "tags": ["tada", "ok?"],
        "attachment": { "name": "a.txt", "url": "https://h/a.txt" },
    }));
    assert_eq!((message.title.as_str(), message.body.as_str()), ("home", "🎉 done\na.txt, https://h/a.txt\nTags: ok?"));
    assert_eq!((message.key.as_deref(), message.priority), (Some("home/x"), 3));
    assert_eq!(the_message(&json!({ "time": NOW, "event": "message" })).title, "crm", "the connection's name");
    for (priority, expected) in [(1, 1), (4, 4), (0, 3), (6, 3), (-1, 3), (261, 3)] {
        let event = json!({ "id": "x", "time": NOW, "event": "message", "topic": "t", "priority": priority });
        assert_eq!(the_message(&event).priority, expected, "{priority}");
    }
}

#[test]
fn a_file_is_named_with_its_size() {
    let line = |size: i64| {
        let file = json!({ "name": "f", "size": size, "url": "u" });
        the_message(&json!({ "id": "x", "time": NOW, "event": "message", "topic": "t", "attachment": file })).body
    };
    let sizes = [-1, 0, 1, 999, 1000, 999_999, 15_728_640, i64::MAX].map(line);
    let expected = ["f, u", "f, u", "f, 1 B, u", "f, 999 B, u", "f, 1 kB, u", "f, 999 kB, u", "f, 15 MB, u"];
    assert_eq!(sizes[..7], expected);
    assert_eq!(sizes[7], "f, 9223372036854 MB, u");
}

#[test]
fn bytes_are_kept_by_their_size() {
    for (encoded, size) in [("//4A", 3), ("//4=", 2), ("/w==", 1), ("", 0), ("//4A/w==", 4)] {
        let event = json!({ "id": "x", "time": NOW, "event": "message", "topic": "t", "message": encoded, "encoding": "base64" });
        let message = the_message(&event);
        assert_eq!((message.kind, message.size, message.body.as_str()), (MessageKind::Binary, size, ""), "{encoded}");
        assert_eq!((message.id.as_deref(), message.sent_ms), (Some("x"), Some(NOW * 1000)));
    }
}

#[test]
fn deleting_and_clearing_take_a_message_back() {
    for event in ["message_delete", "message_clear"] {
        let mut talk = Talk::open(None);
        let message = talk.live(&kept("id1", NOW)).messages().next().unwrap().clone();
        let effects = talk.live(&withdrawal("id2", event, "id1", NOW + 3));
        let [Item::Withdrawn(withdrawn), Item::Cursor(_)] = &effects.items[..] else { panic!("{:?}", effects.items) };
        assert_eq!((Some(&withdrawn.key), withdrawn.at_ms), (message.key.as_ref(), Some((NOW + 3) * 1000)));
        let mut other = withdrawal("id3", event, "id1", NOW + 3);
        other["topic"] = json!("b");
        let effects = talk.live(&other);
        assert!(matches!(&effects.items[0], Item::Withdrawn(withdrawn) if withdrawn.key == "b/id1"), "another topic's");
    }
}

#[test]
fn a_withdrawal_of_before_the_cut_is_not_repeated_by_the_catch_up() {
    let mut talk = Talk::open(None);
    let gone = withdrawal("gone", "message_delete", "s", NOW);
    talk.live(&gone);
    for at in 0..40 {
        talk.live(&kept(&format!("m{at}"), NOW + 4));
    }
    let mut talk = talk.next();
    assert!(talk.part(&gone).items.is_empty(), "its id is not kept any more, but it is too old");
    assert_eq!(talk.part(&withdrawal("new", "message_delete", "s", NOW + 3)).items.len(), 1);
}

#[test]
fn a_withdrawal_that_was_missed_takes_back_nothing_that_came_live() {
    let mut talk = Talk::open(Some(&format!(r#"{{"time":{}}}"#, NOW - 100)));
    let mut newer = kept("newer", NOW + 1);
    newer["sequence_id"] = json!("s");
    assert_eq!(bodies(talk.live(&newer)), ["newer"]);
    assert!(talk.part(&withdrawal("gone", "message_delete", "s", NOW - 50)).items.is_empty(), "it was before");
    let effects = talk.part(&withdrawal("other", "message_delete", "t", NOW - 40));
    assert!(matches!(&effects.items[..], [Item::Withdrawn(withdrawn)] if withdrawn.key == "a/t"), "another sequence's");
    let effects = talk.live(&withdrawal("after", "message_delete", "s", NOW + 2));
    assert!(matches!(&effects.items[..], [Item::Withdrawn(withdrawn)] if withdrawn.key == "a/s"), "it came after");
}

/// The answer is older than what came live since it was asked for.
#[test]
fn a_missed_message_neither_outlives_its_withdrawal_nor_takes_the_place_of_a_newer_one() {
    let version = |id: &str, time: i64| {
        let mut event = kept(id, time);
        event["sequence_id"] = json!("s");
        event
    };
    let told = |live: &[Value]| {
        let mut talk = Talk::open(Some(&format!(r#"{{"time":{}}}"#, NOW - 100)));
        for event in live {
            talk.live(event);
        }
        let effects = talk.part(&version("missed", NOW - 50));
        let word = |item: &Item| match item {
            Item::Message(message) => format!("{} {:?}", message.body, message.arrival),
            Item::Withdrawn(withdrawn) => format!("-{} {:?}", withdrawn.key, withdrawn.at_ms),
            other => panic!("{other:?}"),
        };
        effects.items.iter().map(word).collect::<Vec<_>>()
    };
    let (gone, newer) = (withdrawal("gone", "message_clear", "s", NOW + 1), version("newer", NOW + 2));
    let withdrawn = format!("-a/s Some({})", (NOW + 1) * 1000);
    assert_eq!(told(&[]), ["missed CaughtUp"]);
    assert_eq!(told(&[withdrawal("other", "message_clear", "t", NOW + 1)]), ["missed CaughtUp"]);
    assert_eq!(told(std::slice::from_ref(&gone)), ["missed CaughtUp", &withdrawn]);
    assert_eq!(told(&[version("sooner", NOW), gone.clone()]), ["missed CaughtUp", &withdrawn]);
    assert_eq!(told(&[gone, newer.clone()]), ["missed Old"]);
    assert_eq!(told(&[version("older", NOW - 60)]), ["missed CaughtUp"], "a scheduled one may come late");

    let mut talk = Talk::open(Some(&format!(r#"{{"time":{}}}"#, NOW - 100)));
    talk.live(&newer);
    let newest = talk.part(&version("newest", NOW + 3));
    assert_eq!(
        newest.messages().next().unwrap().arrival,
        Arrival::CaughtUp,
        "the answer may be sooner than the socket"
    );
    talk.live(&withdrawal("gone", "message_clear", "s", NOW + 4));
    talk.part(&version("again", NOW + 5));
    assert!(talk.live(&version("again", NOW + 5)).items.is_empty(), "it is known");
    talk.fetched(Fetched::Broken);
    let effects = talk.part(&version("missed", NOW - 50));
    assert!(matches!(&effects.items[..], [Item::Message(message)] if message.arrival == Arrival::Old));
}

#[test]
fn what_is_remembered_of_a_live_flood_is_bounded() {
    let mut talk = Talk::open(Some(&format!(r#"{{"time":{}}}"#, NOW - 100)));
    for at in 0..=MOST_LIVE {
        talk.live(&kept(&format!("m{at}"), NOW + 1));
    }
    let mut withdrawn = |of: usize| {
        let event = withdrawal(&format!("w{of}"), "message_delete", &format!("m{of}"), NOW - 50);
        talk.part(&event).items.len()
    };
    assert_eq!((withdrawn(MOST_LIVE - 1), withdrawn(MOST_LIVE)), (0, 1));
}

#[test]
fn what_is_not_for_people_is_nothing() {
    let mut talk = Talk::open(None);
    for event in ["keepalive", "poll_request", "something_new", "open"] {
        let event = json!({ "id": "x", "time": NOW + 5, "event": event, "topic": "a", "message": "New message" });
        let effects = talk.live(&event);
        assert!(effects.items.is_empty() && effects.end.is_none(), "{event}");
    }
}

#[test]
fn hostile_json_is_read_within_bounds() {
    let deep = format!(r#"{{"time":1,"event":"message","actions":{}"#, "[".repeat(100_000));
    let wide =
        format!(r#"{{"id":"w","time":1,"event":"message","message":"m","actions":[{}1]}}"#, "[],".repeat(4_600_000));
    let tags =
        format!(r#"{{"id":"t","time":1,"event":"message","message":"m","tags":[{}"z"]}}"#, r#""","#.repeat(4_600_000));
    let mut talk = Talk::open(None);
    for (text, body) in [(&deep, None), (&wide, Some("m")), (&tags, None)] {
        let effects = talk.say(|dialect, effects| dialect.frame(Incoming::Text(text), effects));
        let message = effects.messages().next().unwrap();
        assert!(message.body.chars().count() <= crate::text::BODY_SHOWN);
        if let Some(body) = body {
            assert_eq!(message.body, body);
        }
    }
    assert_eq!(Event::read(&tags).unwrap().item("c", Arrival::Live).into_iter().count(), 1);
}

/// A good event in which one byte is another, or a value is.
fn mutated() -> impl Strategy<Value = String> {
    let events = prop::sample::select(vec![
        open(NOW).to_string(),
        kept("id", NOW).to_string(),
        withdrawal("id", "message_clear", "s", NOW).to_string(),
        json!({ "id": "i", "time": NOW, "event": "message", "tags": ["tada"], "attachment": { "size": 1 } })
            .to_string(),
    ]);
    (events, any::<prop::sample::Index>(), any::<char>()).prop_map(|(event, at, c)| {
        let at = at.index(event.len());
        format!("{}{c}{}", &event[..at], &event[at + 1..])
    })
}

fn anything() -> impl Strategy<Value = String> {
    let numbers = (any::<i64>(), any::<i64>(), any::<i64>(), any::<String>()).prop_map(|(time, expires, priority, text)| {
        json!({ "id": text, "sequence_id": text, "time": time, "expires": expires, "event": "message", "topic": text,
            "title": text, "message": text, "priority": priority, "tags": [text], "encoding": "base64",
            "attachment": { "name": text, "size": expires, "url": text } })
        .to_string()
    });
    let opens = any::<i64>().prop_map(|time| open(time).to_string());
    prop_oneof![any::<String>(), mutated(), numbers, opens]
}

proptest! {
    #[test]
    fn whatever_comes_nothing_breaks_and_the_word_is_given_once(
        cursor in prop::option::of(anything()),
        frames in prop::collection::vec((anything(), 0..5_u8), 0..12),
        bytes in any::<Vec<u8>>(),
    ) {
        let mut talk = Talk::new(cursor.as_deref());
        let mut words = 0;
        for (text, way) in &frames {
            let effects = match way {
                0 => talk.fetched(Fetched::Part(text)),
                1 => talk.end(),
                2 => talk.fetched(Fetched::Broken),
                3 => talk.say(|dialect, effects| dialect.frame(Incoming::Binary(&bytes), effects)),
                _ => talk.say(|dialect, effects| dialect.frame(Incoming::Text(text), effects)),
            };
            words += usize::from(maybe_word(effects).is_some());
        }
        prop_assert!(words <= 1);
        if let Some(cursor) = &talk.cursor {
            prop_assert!(cursor.0.len() < 64 * 1024);
        }
    }
}
