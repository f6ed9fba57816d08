//! The plain dialect: a text frame is the answer to a heartbeat, or ignored by the person's wish, or a message shaped by
//! the person's templates. It has no way to ask for what was missed.

use std::sync::Arc;

use super::shape::Shaper;
use super::{CaughtUp, Context, Dialect, Effects, Incoming, Item, Missing, Opening, Spec};
use crate::message::Message;

pub(super) const SPEC: Spec = Spec {
    name: "plain",
    sends: true,
    presets: &[
        include_str!("../../../../config/presets/heartbeat-echo.toml"),
        include_str!("../../../../config/presets/crm-heartbeat.toml"),
        include_str!("../../../../config/presets/json-heart.toml"),
    ],
    make,
    ..Spec::DEFAULT
};

pub(super) fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    Box::new(Plain { shaper: Shaper::new(context) })
}

/// The plain dialect of one socket.
#[derive(Debug)]
struct Plain {
    shaper: Shaper,
}

impl Dialect for Plain {
    fn opened(&mut self, _: &Opening<'_>, effects: &mut Effects) {
        effects.ready = true;
        effects.items.push(Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay)));
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        match frame {
            Incoming::Text(text) => self.shaper.frame(text, effects),
            Incoming::Binary(bytes) => effects.message(Message::binary(bytes.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;
    use crate::dialect::Shape;
    use crate::dialect::tests::told;
    use crate::message::MessageKind;
    use crate::settings::{MessageSettings, ReplyMatcher};
    use crate::text::{BODY_SHOWN, TITLE_SHOWN, one_line};

    fn plain(settings: &MessageSettings, reply: Option<&ReplyMatcher>) -> Box<dyn Dialect> {
        make(&Arc::new(Context {
            name: "crm".to_owned(),
            url: Url::parse("ws://h/").unwrap(),
            subscribe: Vec::new(),
            every: std::time::Duration::from_secs(30),
            timeout: std::time::Duration::from_secs(10),
            auto_heartbeat: true,
            shape: Arc::new(Shape::new(settings, reply)),
        }))
    }

    fn settings() -> MessageSettings {
        MessageSettings {
            title: "{{ json.title | default(connection) }}".to_owned(),
            body: "{{ json.text | default(text) }}".to_owned(),
            id: "{{ json.id }}".to_owned(),
            ignore: vec!["json.type == 'ack'".to_owned()],
        }
    }

    fn only_message(
        settings: &MessageSettings,
        reply: Option<&ReplyMatcher>,
        frame: &str,
    ) -> (Message, Option<String>) {
        let effects = told(plain(settings, reply).as_mut(), Incoming::Text(frame));
        assert!(!effects.heartbeat_answered, "{frame}");
        let messages: Vec<_> = effects.messages().cloned().collect();
        let [message] = <[Message; 1]>::try_from(messages).unwrap_or_else(|other| panic!("{frame}: {other:?}"));
        assert_eq!(effects.items.len(), 1);
        (message, effects.trouble)
    }

    #[test]
    fn a_text_frame_is_a_message() {
        let check = |frame: &str, id: Option<&str>, title: &str, body: &str| {
            let (message, trouble) = only_message(&settings(), None, frame);
            assert_eq!(
                (message.id.as_deref(), message.title.as_str(), message.body.as_str()),
                (id, title, body),
                "{frame}"
            );
            assert_eq!((message.kind, message.size, trouble), (MessageKind::Text, frame.len() as u64, None), "{frame}");
        };
        check("hello", None, "crm", "hello");
        check(r#"{"id":7,"title":"Order","text":"Two lamps"}"#, Some("7"), "Order", "Two lamps");
        check(
            r#"{"id":"a-1","title":null,"text":null}"#,
            Some("a-1"),
            "crm",
            r#"{"id":"a-1","title":null,"text":null}"#,
        );
        check(r#"{"title":"  \u0000 ","text":"x\u202ey"}"#, None, "crm", "xy");
        check(r#"{"title":"two\nlines","text":"two\r\nlines"}"#, None, "two lines", "two\nlines");
        check(r#"{"title":["a"],"text":{"b":{"c":1}}}"#, None, r#"["a"]"#, r#"{"b":{"c":1}}"#);
        check(r#"[{"text":"one"},{"text":"two"}]"#, None, "crm", r#"[{"text":"one"},{"text":"two"}]"#);
        check("<b>bold</b>", None, "crm", "<b>bold</b>");
        check("", None, "crm", "");
        check("12", None, "crm", "12");
    }

    #[test]
    fn an_id_is_kept_whole_or_not_at_all() {
        let check = |id: &str, expected: Option<&str>| {
            let frame = serde_json::json!({ "id": id }).to_string();
            assert_eq!(only_message(&settings(), None, &frame).0.id.as_deref(), expected, "{id:?}");
        };
        check(" x ", Some("x"));
        check(&"i".repeat(256), Some(&"i".repeat(256)));
        check(&"i".repeat(257), None);
        check("a\0b", None);
        check("", None);
    }

    /// Two that differ only in digits that were rounded away would be one, and the second message a duplicate.
    #[test]
    fn a_number_that_is_too_large_to_be_read_exactly_is_no_id() {
        let check = |id: &str, expected: Option<&str>| {
            let frame = format!(r#"{{"id":{id},"text":"{id}"}}"#);
            let (message, trouble) = only_message(&settings(), None, &frame);
            assert_eq!((message.id.as_deref(), message.body.as_str(), trouble), (expected, id, None));
        };
        check("18446744073709551615", Some("18446744073709551615"));
        check("-9223372036854775808", Some("-9223372036854775808"));
        check("1700000000.123456", Some("1700000000.123456"));
        check("18446744073709551616", None);
        check("18446744073709551617", None);
        check("-9223372036854775809", None);
        check("1e300", None);
        check("340282366920938463463374607431768211455", None);
    }

    #[test]
    fn a_reply_is_never_a_message_and_what_does_not_match_always_is() {
        let check = |reply: ReplyMatcher, yes: &[&str], no: &[&str]| {
            let mut dialect = plain(&settings(), Some(&reply));
            for frame in yes {
                let effects = told(dialect.as_mut(), Incoming::Text(frame));
                assert!(effects.heartbeat_answered && effects.items.is_empty(), "{frame}");
            }
            for frame in no {
                only_message(&settings(), Some(&reply), frame);
            }
        };
        check(ReplyMatcher::Equals("检测".to_owned()), &["检测"], &["检测 ", "检", "", "检测检测"]);
        check(ReplyMatcher::Contains("beat".to_owned()), &["heartbeat", "beat"], &["Beat", ""]);
        check(ReplyMatcher::Matches("^p[io]ng$".to_owned()), &["ping", "pong"], &["pongs", "pung"]);
        check(ReplyMatcher::JsonPath("$.pong".to_owned()), &[r#"{"pong":1,"a":2}"#], &[r#"{"ping":1}"#, "pong", "[]"]);
    }

    #[test]
    fn an_ignored_frame_is_neither_a_reply_nor_a_message() {
        let effects = told(plain(&settings(), None).as_mut(), Incoming::Text(r#"{"type":"ack"}"#));
        assert!(!effects.heartbeat_answered && effects.items.is_empty() && effects.trouble.is_none());
        only_message(&settings(), None, r#"{"type":"acknowledged"}"#);
    }

    #[test]
    fn a_binary_frame_is_kept_by_its_size() {
        let effects = told(plain(&settings(), None).as_mut(), Incoming::Binary(&vec![0; 70_000]));
        let message = effects.messages().next().unwrap();
        assert_eq!((effects.items.len(), message.kind, message.size), (1, MessageKind::Binary, 70_000));
        assert_eq!((message.title.as_str(), message.body.as_str()), ("Binary frame", ""));
    }

    #[test]
    fn a_template_that_fails_loses_no_message() {
        let failing = "{{ json.title | items }}".to_owned();
        let settings = MessageSettings {
            title: failing.clone(),
            body: failing.clone(),
            id: failing.clone(),
            ignore: vec![failing],
        };
        let (message, trouble) = only_message(&settings, None, r#"{"title":7}"#);
        assert_eq!((message.title.as_str(), message.body.as_str(), message.id), ("crm", r#"{"title":7}"#, None));
        assert!(trouble.is_some_and(|trouble| trouble.contains("ignore[0]")));
    }

    #[test]
    fn a_failure_is_told_once_and_without_the_frame() {
        let settings = MessageSettings { title: "{{ text | items }}".to_owned(), ..settings() };
        let mut dialect = plain(&settings, None);
        let first = told(dialect.as_mut(), Incoming::Text("hunter2")).trouble;
        assert!(first.as_ref().is_some_and(|trouble| !trouble.contains("hunter2")), "{first:?}");
        let second = told(dialect.as_mut(), Incoming::Text("hunter2"));
        assert_eq!((second.items.len(), second.trouble), (1, None));
    }

    #[test]
    fn settings_that_were_never_validated_lose_no_message_either() {
        let settings = MessageSettings {
            title: "{{".to_owned(),
            body: "{{".to_owned(),
            ignore: vec!["=".to_owned()],
            ..settings()
        };
        let (message, trouble) = only_message(&settings, Some(&ReplyMatcher::Matches("(".to_owned())), "hello");
        assert_eq!((message.title.as_str(), message.body.as_str()), ("crm", "hello"));
        assert!(trouble.is_some());
    }

    #[test]
    fn a_megabyte_is_one_capped_message() {
        let huge = "长".repeat(350_000);
        let (message, _) = only_message(&settings(), None, &huge);
        assert_eq!((message.body.chars().count(), message.size), (BODY_SHOWN, huge.len() as u64));
        let deep = "[".repeat(1_000_000);
        assert_eq!(only_message(&settings(), None, &deep).0.title, "crm");
        let nested = format!("{}{}", "[".repeat(120), "]".repeat(120));
        assert_eq!(only_message(&settings(), None, &nested).0.body, nested);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_exactly_one_message(text in any::<String>(), title in any::<String>()) {
            let object = serde_json::json!({ "title": title, "text": text }).to_string();
            for frame in [&text, &object] {
                let (message, _) = only_message(&settings(), None, frame);
                prop_assert!(!message.title.is_empty());
                prop_assert_eq!(one_line(&message.title, TITLE_SHOWN), message.title);
            }
        }
    }
}
