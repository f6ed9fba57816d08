//! What the person's settings make of a text: the answer to a heartbeat, something to ignore, or a message shaped by
//! templates. Whatever goes wrong in a template, the message is not lost.

use std::sync::Arc;

use minijinja::{Environment, Value};
use regex::{Regex, RegexBuilder};
use serde_json_path::JsonPath;

use super::{Context, Effects, json, template};
use crate::message::{Message, usable_id};
use crate::settings::{MessageSettings, REGEX_LIMIT, ReplyMatcher};

/// What is made of the settings once: about 30 KiB, which sockets and connections with equal settings share.
#[derive(Debug)]
pub struct Shape {
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

impl Shape {
    /// Compiles the settings. What does not compile, which validation refuses, recognises no frame and shapes none.
    pub(super) fn new(settings: &MessageSettings, reply: Option<&ReplyMatcher>) -> Self {
        let mut trouble = None;
        let mut note = |what: &str, why: String| {
            trouble.get_or_insert(format!("{what} cannot be used: {why}"));
        };
        let reply = reply
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

/// The shape as one socket uses it.
#[derive(Debug)]
pub(super) struct Shaper {
    context: Arc<Context>,
    /// What did not compile; told with the first frame. Validated settings have none.
    trouble: Option<String>,
    /// Whether a template's failure was told: it would be the same with every frame.
    told: bool,
}

impl Shaper {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context), trouble: context.shape.trouble.clone(), told: false }
    }

    /// A text that may be the answer to a heartbeat, or else a message.
    pub(super) fn frame(&mut self, text: &str, effects: &mut Effects) {
        let json = json::bounded(text);
        if self.context.shape.reply.as_ref().is_some_and(|reply| reply.recognises(text, json.as_ref())) {
            effects.heartbeat_answered = true;
            return;
        }
        let message = self.shaped(text, json, None, effects);
        effects.items.extend(message.map(super::Item::Message));
    }

    /// The message of a text that the server sent about `topic`: what it was subscribed by, or what it is called. None:
    /// the person does not want to see it.
    pub(super) fn message(&mut self, text: &str, topic: &str, effects: &mut Effects) -> Option<Message> {
        self.shaped(text, json::bounded(text), Some(topic), effects)
    }

    fn shaped(
        &mut self,
        text: &str,
        json: Option<serde_json::Value>,
        topic: Option<&str>,
        effects: &mut Effects,
    ) -> Option<Message> {
        let json = json.map_or(Value::UNDEFINED, Value::from_serialize);
        let frame = template::frame_context(&json, text, topic, &self.context.name);
        let mut trouble = None;
        let message = (!self.is_ignored(&frame, &mut trouble)).then(|| {
            let title = self.part("title", &frame, &mut trouble).unwrap_or_default();
            let body = self.part("body", &frame, &mut trouble);
            let id = self.part("id", &frame, &mut trouble).and_then(|id| usable_id(&id)).filter(|id| !is_rounded(id));
            Message { id, ..Message::new(&title, &self.context.name, body.as_deref().unwrap_or(text), text.len()) }
        });
        let first = trouble.filter(|_| !self.told);
        self.told |= first.is_some();
        effects.trouble = self.trouble.take().or(first).or(effects.trouble.take());
        message
    }

    fn is_ignored(&self, frame: &Value, trouble: &mut Option<String>) -> bool {
        let marked = |name: &String| self.part(name, frame, trouble).is_some_and(|mark| !mark.is_empty());
        self.context.shape.ignore.iter().any(marked)
    }

    /// A template's result; none, and a word on it, if it failed.
    fn part(&self, name: &str, frame: &Value, trouble: &mut Option<String>) -> Option<String> {
        match template::render(&self.context.shape.environment, name, frame) {
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

/// Whether this is a JSON number with more digits than were read: such a one prints as a rounded fraction, and so would
/// others.
fn is_rounded(id: &str) -> bool {
    /// 2⁵³: beyond it not every whole number has a value of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    id.ends_with(".0") && id.parse::<f64>().is_ok_and(|number| number.abs() > EXACT)
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
