//! The plain dialect: a text frame is the answer to a heartbeat, or ignored by the person's wish, or a message shaped by
//! the person's templates. Whatever goes wrong in a template, the message is not lost.

use std::sync::Arc;

use minijinja::{Environment, Value};
use regex::{Regex, RegexBuilder};
use serde_json_path::JsonPath;

use super::{Decoded, Dialect, Incoming, template};
use crate::message::{Message, MessageKind};
use crate::settings::{PlainSettings, REGEX_LIMIT, ReplyMatcher};
use crate::text::{BODY_SHOWN, TITLE_SHOWN, lines, one_line};

/// The longest id, in characters. What is longer would have to be cut, and two messages could become one.
const ID_MAX: usize = 256;

/// The plain dialect of one socket.
#[derive(Debug)]
pub struct Plain {
    connection: String,
    compiled: Arc<Compiled>,
    /// What did not compile; told with the first frame. Validated settings have none.
    trouble: Option<String>,
    /// Whether a template's failure was told: it would be the same with every frame.
    told: bool,
}

/// What is made of the settings once: about 30 KiB, which sockets and connections with equal settings share.
#[derive(Debug)]
pub(super) struct Compiled {
    reply: Option<Reply>,
    environment: Environment<'static>,
    /// The names of the ignore expressions in `environment`.
    ignore: Vec<String>,
    trouble: Option<String>,
}

#[derive(Debug)]
enum Reply {
    Equals(String),
    Contains(String),
    Matches(Regex),
    JsonPath(JsonPath),
}

impl Compiled {
    /// Compiles the settings. What does not compile, which validation refuses, recognises no frame and shapes none.
    pub(super) fn new(settings: &PlainSettings) -> Self {
        let mut trouble = None;
        let mut note = |what: &str, why: String| {
            trouble.get_or_insert(format!("{what} cannot be used: {why}"));
        };
        let reply = settings
            .reply
            .as_ref()
            .and_then(|reply| compile(reply).map_err(|why| note("the pattern of the heartbeat's answer", why)).ok());
        let mut environment = template::environment();
        for (name, source) in [("title", &settings.title), ("body", &settings.body), ("id", &settings.id)] {
            if let Err(error) = environment.add_template_owned(name, source.clone()) {
                note(&format!("the template `{name}`"), template::words(&error));
            }
        }
        let mut ignore = Vec::new();
        for (at, source) in settings.ignore.iter().enumerate() {
            let name = format!("ignore[{at}]");
            match template::add_expression(&mut environment, name.clone(), source) {
                Ok(()) => ignore.push(name),
                Err(error) => note(&format!("the expression `{name}`"), template::words(&error)),
            }
        }
        Self { reply, environment, ignore, trouble }
    }
}

impl Plain {
    /// The dialect of a new socket of the connection of this name.
    pub(super) fn new(connection: String, compiled: Arc<Compiled>) -> Self {
        let trouble = compiled.trouble.clone();
        Self { connection, compiled, trouble, told: false }
    }

    fn decode_text(&mut self, text: &str) -> Decoded {
        // A parser with a depth limit: what is nested deeper is text to us.
        let json = serde_json::from_str::<serde_json::Value>(text).ok();
        if self.compiled.reply.as_ref().is_some_and(|reply| reply.recognises(text, json.as_ref())) {
            return Decoded { heartbeat_reply: true, ..Decoded::default() };
        }
        let json = json.map_or(Value::UNDEFINED, Value::from_serialize);
        let frame = template::frame_context(&json, text, &self.connection);
        let mut trouble = None;
        if self.is_ignored(&frame, &mut trouble) {
            return Decoded { trouble: self.once(trouble), ..Decoded::default() };
        }
        let title = self.part("title", &frame, &mut trouble).map(|title| one_line(&title, TITLE_SHOWN));
        let title = title.filter(|title| !title.is_empty()).unwrap_or_else(|| one_line(&self.connection, TITLE_SHOWN));
        let body = self.part("body", &frame, &mut trouble);
        let message = Message {
            id: self.part("id", &frame, &mut trouble).and_then(|id| usable_id(&id)),
            title,
            body: lines(body.as_deref().unwrap_or(text), BODY_SHOWN),
            priority: 3,
            kind: MessageKind::Text,
            size: text.len() as u64,
            caught_up: false,
        };
        Decoded { messages: vec![message], trouble: self.once(trouble), ..Decoded::default() }
    }

    /// The trouble to tell with this frame.
    fn once(&mut self, trouble: Option<String>) -> Option<String> {
        let first = trouble.filter(|_| !self.told);
        self.told |= first.is_some();
        self.trouble.take().or(first)
    }

    fn is_ignored(&self, frame: &Value, trouble: &mut Option<String>) -> bool {
        self.compiled.ignore.iter().any(|name| self.part(name, frame, trouble).is_some_and(|mark| !mark.is_empty()))
    }

    /// A template's result; none, and a word on it, if it failed.
    fn part(&self, name: &str, frame: &Value, trouble: &mut Option<String>) -> Option<String> {
        match template::render(&self.compiled.environment, name, frame) {
            Ok(text) => Some(text),
            Err(error) => {
                // Only the kind of the error: its details may repeat the frame, which no log should hold.
                let kind = error.kind();
                trouble.get_or_insert_with(|| {
                    format!("the template `{name}` failed for a frame: {kind}; the message is kept")
                });
                None
            }
        }
    }
}

impl Dialect for Plain {
    fn decode(&mut self, frame: Incoming<'_>) -> Decoded {
        match frame {
            Incoming::Text(text) => self.decode_text(text),
            Incoming::Binary(bytes) => Decoded { messages: vec![binary(bytes.len())], ..Decoded::default() },
        }
    }
}

impl Reply {
    fn recognises(&self, text: &str, json: Option<&serde_json::Value>) -> bool {
        match self {
            Self::Equals(whole) => text == whole,
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Matches(pattern) => pattern.is_match(text),
            Self::JsonPath(path) => json.is_some_and(|json| !path.query(json).is_empty()),
        }
    }
}

fn compile(reply: &ReplyMatcher) -> Result<Reply, String> {
    Ok(match reply {
        ReplyMatcher::Equals(whole) => Reply::Equals(whole.clone()),
        ReplyMatcher::Contains(part) => Reply::Contains(part.clone()),
        ReplyMatcher::Matches(pattern) => {
            let built = RegexBuilder::new(pattern).size_limit(REGEX_LIMIT).build();
            Reply::Matches(built.map_err(|error| error.to_string())?)
        }
        ReplyMatcher::JsonPath(path) => Reply::JsonPath(JsonPath::parse(path).map_err(|error| error.to_string())?),
    })
}

/// An id that is kept whole, or none: a changed id could be another message's.
fn usable_id(rendered: &str) -> Option<String> {
    let id = rendered.trim();
    (!id.is_empty() && one_line(id, ID_MAX) == id).then(|| id.to_owned())
}

fn binary(size: usize) -> Message {
    Message {
        id: None,
        title: "Binary frame".to_owned(),
        body: String::new(),
        priority: 3,
        kind: MessageKind::Binary,
        size: size as u64,
        caught_up: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(settings: &PlainSettings) -> Plain {
        Plain::new(settings.connection.clone(), Arc::new(Compiled::new(settings)))
    }

    fn settings() -> PlainSettings {
        PlainSettings {
            connection: "crm".to_owned(),
            reply: None,
            title: "{{ json.title | default(connection) }}".to_owned(),
            body: "{{ json.text | default(text) }}".to_owned(),
            id: "{{ json.id }}".to_owned(),
            ignore: vec!["json.type == 'ack'".to_owned()],
        }
    }

    fn only_message(settings: &PlainSettings, frame: &str) -> (Message, Option<String>) {
        let mut decoded = plain(settings).decode(Incoming::Text(frame));
        assert!(!decoded.heartbeat_reply, "{frame}");
        assert_eq!(decoded.messages.len(), 1, "{frame}");
        (decoded.messages.remove(0), decoded.trouble)
    }

    #[test]
    fn a_text_frame_is_a_message() {
        let check = |frame: &str, id: Option<&str>, title: &str, body: &str| {
            let (message, trouble) = only_message(&settings(), frame);
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
            assert_eq!(only_message(&settings(), &frame).0.id.as_deref(), expected, "{id:?}");
        };
        check(" x ", Some("x"));
        check(&"i".repeat(256), Some(&"i".repeat(256)));
        check(&"i".repeat(257), None);
        check("a\0b", None);
        check("", None);
    }

    #[test]
    fn a_reply_is_never_a_message_and_what_does_not_match_always_is() {
        let check = |reply: ReplyMatcher, yes: &[&str], no: &[&str]| {
            let settings = PlainSettings { reply: Some(reply), ..settings() };
            let mut dialect = plain(&settings);
            for frame in yes {
                let decoded = dialect.decode(Incoming::Text(frame));
                assert_eq!(decoded, Decoded { heartbeat_reply: true, ..Decoded::default() }, "{frame}");
            }
            for frame in no {
                only_message(&settings, frame);
            }
        };
        check(ReplyMatcher::Equals("检测".to_owned()), &["检测"], &["检测 ", "检", "", "检测检测"]);
        check(ReplyMatcher::Contains("beat".to_owned()), &["heartbeat", "beat"], &["Beat", ""]);
        check(ReplyMatcher::Matches("^p[io]ng$".to_owned()), &["ping", "pong"], &["pongs", "pung"]);
        check(ReplyMatcher::JsonPath("$.pong".to_owned()), &[r#"{"pong":1,"a":2}"#], &[r#"{"ping":1}"#, "pong", "[]"]);
    }

    #[test]
    fn an_ignored_frame_is_neither_a_reply_nor_a_message() {
        let decoded = plain(&settings()).decode(Incoming::Text(r#"{"type":"ack"}"#));
        assert_eq!(decoded, Decoded::default());
        only_message(&settings(), r#"{"type":"acknowledged"}"#);
    }

    #[test]
    fn a_binary_frame_is_kept_by_its_size() {
        let decoded = plain(&settings()).decode(Incoming::Binary(&vec![0; 70_000]));
        let message = &decoded.messages[0];
        assert_eq!((decoded.messages.len(), message.kind, message.size), (1, MessageKind::Binary, 70_000));
        assert_eq!((message.title.as_str(), message.body.as_str()), ("Binary frame", ""));
    }

    #[test]
    fn a_template_that_fails_loses_no_message() {
        let failing = "{{ json.title | items }}".to_owned();
        let settings = PlainSettings {
            title: failing.clone(),
            body: failing.clone(),
            id: failing.clone(),
            ignore: vec![failing],
            ..settings()
        };
        let (message, trouble) = only_message(&settings, r#"{"title":7}"#);
        assert_eq!((message.title.as_str(), message.body.as_str(), message.id), ("crm", r#"{"title":7}"#, None));
        assert!(trouble.is_some_and(|trouble| trouble.contains("ignore[0]")));
    }

    #[test]
    fn a_failure_is_told_once_and_without_the_frame() {
        let settings = PlainSettings { title: "{{ text | items }}".to_owned(), ..settings() };
        let mut dialect = plain(&settings);
        let first = dialect.decode(Incoming::Text("hunter2")).trouble;
        assert!(first.as_ref().is_some_and(|trouble| !trouble.contains("hunter2")), "{first:?}");
        let second = dialect.decode(Incoming::Text("hunter2"));
        assert_eq!((second.messages.len(), second.trouble), (1, None));
    }

    #[test]
    fn settings_that_were_never_validated_lose_no_message_either() {
        let settings = PlainSettings {
            reply: Some(ReplyMatcher::Matches("(".to_owned())),
            title: "{{".to_owned(),
            body: "{{".to_owned(),
            ignore: vec!["=".to_owned()],
            ..settings()
        };
        let (message, trouble) = only_message(&settings, "hello");
        assert_eq!((message.title.as_str(), message.body.as_str()), ("crm", "hello"));
        assert!(trouble.is_some());
    }

    #[test]
    fn a_megabyte_is_one_capped_message() {
        let huge = "长".repeat(350_000);
        let (message, _) = only_message(&settings(), &huge);
        assert_eq!((message.body.chars().count(), message.size), (BODY_SHOWN, huge.len() as u64));
        let deep = "[".repeat(1_000_000);
        assert_eq!(only_message(&settings(), &deep).0.title, "crm");
        let nested = format!("{}{}", "[".repeat(120), "]".repeat(120));
        assert_eq!(only_message(&settings(), &nested).0.body, nested);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_exactly_one_message(text in any::<String>(), title in any::<String>()) {
            let object = serde_json::json!({ "title": title, "text": text }).to_string();
            for frame in [&text, &object] {
                let (message, _) = only_message(&settings(), frame);
                prop_assert!(!message.title.is_empty());
                prop_assert_eq!(one_line(&message.title, TITLE_SHOWN), message.title);
            }
        }
    }
}
