//! What a connection's server speaks, what is subscribed to there, and how its texts become messages.

use regex::RegexBuilder;
use serde_json_path::JsonPath;
use url::Url;

use super::fields;
use super::form::{HeartbeatForm, MessageForm, ReplyForm};
use super::validate::{Errors, FieldErrorCode, shown};
use crate::dialect::{self, Spec, template};
use crate::link::{Heartbeat, HeartbeatKind};
use crate::text;

/// The memory a compiled regular expression may take, in bytes.
pub(crate) const REGEX_LIMIT: usize = 4 * 1024 * 1024;

/// The longest template or expression, in bytes.
const TEMPLATE_MAX: usize = 16 * 1024;

/// The longest entry of `subscribe`, in bytes: that of a topic in MQTT, section 4.7.3.
const SUBSCRIBE_MAX: usize = 65_535;

/// The dialect of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct DialectSettings {
    /// Which one.
    pub spec: &'static Spec,
    /// What is subscribed to, in the dialect's own words; for many dialects nothing.
    pub subscribe: Vec<String>,
    /// Whether the link is proved as the dialect sees fit, also where the server has a say in it.
    pub auto_heartbeat: bool,
    /// Which texts answer a heartbeat; none: no text does, and every text is a message.
    pub reply: Option<ReplyMatcher>,
    /// How texts become messages, in dialects that do not know that themselves.
    pub message: MessageSettings,
}

impl DialectSettings {
    /// The dialect's name in the settings.
    pub fn name(&self) -> &'static str {
        self.spec.name
    }

    /// These subprotocols and the dialect's own, which come first.
    pub(super) fn with_own(&self, given: Vec<String>) -> Vec<String> {
        let own: Vec<_> = self.spec.subprotocols.iter().map(|&own| own.to_owned()).collect();
        let more = given.into_iter().filter(|given| !own.contains(given)).collect::<Vec<_>>();
        [own, more].concat()
    }
}

/// How a text becomes a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSettings {
    /// The minijinja template of the title.
    pub title: String,
    /// The minijinja template of the body.
    pub body: String,
    /// The minijinja template of the id; an empty result is no id.
    pub id: String,
    /// minijinja expressions; a text for which one is true is no message.
    pub ignore: Vec<String>,
}

/// Recognises a heartbeat's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyMatcher {
    /// The whole text.
    Equals(String),
    /// Part of the text.
    Contains(String),
    /// A regular expression that is found in the text.
    Matches(String),
    /// An RFC 9535 query that selects something.
    JsonPath(String),
}

pub(super) fn spec(given: Option<&str>, errors: &mut Errors) -> Option<&'static Spec> {
    let known: Vec<_> = dialect::ALL.iter().map(|&spec| (spec.name, spec)).collect();
    fields::choice("dialect", given, &known, errors)
}

/// Whether the dialect knows what to do with the address.
pub(super) fn url_taken(spec: Option<&Spec>, url: &Url, errors: &mut Errors) -> bool {
    let fault = spec.and_then(|spec| (spec.check_url)(url));
    let taken = fault.is_none();
    if let Some(message) = fault {
        errors.push("url", FieldErrorCode::SubscribeInvalid, &super::shown_url(url), message);
    }
    taken
}

/// The address of the SockJS that stands in for the raw WebSocket.
pub(super) fn sockjs(spec: Option<&Spec>, given: Option<&str>, errors: &mut Errors) -> Option<Url> {
    let given = given?;
    let url = fields::url("sockjs", Some(given), errors);
    if let Some(spec) = spec.filter(|spec| spec.name != "plain") {
        let message = format!("the dialect \"{}\" is never spoken by SockJS instead: leave this out", spec.name);
        errors.push("sockjs", FieldErrorCode::NotTaken, "", message);
        return None;
    }
    url
}

pub(super) fn dialect(
    spec: Option<&'static Spec>,
    subscribe: Vec<String>,
    heartbeat: &HeartbeatForm,
    message: MessageForm,
    errors: &mut Errors,
) -> Option<DialectSettings> {
    let reply = heartbeat.reply.as_ref().and_then(|reply| self::reply(reply, errors));
    let message = self::message(message, errors);
    let spec = spec?;
    Some(DialectSettings {
        spec,
        subscribe: self::subscribe(spec, subscribe, errors)?,
        auto_heartbeat: heartbeat.kind.as_deref().map(str::trim) == Some("auto"),
        reply,
        message,
    })
}

fn subscribe(spec: &Spec, given: Vec<String>, errors: &mut Errors) -> Option<Vec<String>> {
    let Some(rule) = spec.subscribe else {
        if given.is_empty() {
            return Some(given);
        }
        let message = format!("the dialect \"{}\" has nothing to subscribe to: leave this out", spec.name);
        errors.push("subscribe", FieldErrorCode::NotTaken, &given[0], message);
        return None;
    };
    fields::few(given.len(), "subscribe", errors)?;
    if given.is_empty() && rule.required {
        let message = format!("this is missing: give {}, such as {}", rule.what, rule.example);
        errors.push("subscribe", FieldErrorCode::Missing, "", message);
        return None;
    }
    let mut good = true;
    for (at, entry) in given.iter().enumerate() {
        let fault = if entry.is_empty() {
            Some("is empty".to_owned())
        } else if entry.len() > SUBSCRIBE_MAX {
            Some(format!("has {} bytes, of which at most {SUBSCRIBE_MAX} can be sent", entry.len()))
        } else if text::has_hidden(entry.replace(['\n', '\t', '\r'], " ").as_str()) {
            Some("has characters that cannot be seen".to_owned())
        } else {
            (rule.check)(entry)
        };
        if let Some(fault) = fault {
            let message = format!("\"{}\" {fault}: give {}, such as {}", shown(entry), rule.what, rule.example);
            errors.push(format!("subscribe[{at}]"), FieldErrorCode::SubscribeInvalid, entry, message);
            good = false;
        }
    }
    good.then_some(given)
}

/// Whether the server takes the texts that it would be sent.
pub(super) fn texts_taken(
    settings: &DialectSettings,
    on_open: &[String],
    heartbeat: Option<&Heartbeat>,
    errors: &mut Errors,
) -> bool {
    let spec = settings.spec;
    if !spec.sends && !on_open.is_empty() {
        let message = format!("the dialect \"{}\" sends what is needed itself: leave this out", spec.name);
        errors.push("on_open", FieldErrorCode::NotTaken, &on_open[0], message);
        return false;
    }
    if let (Some(HeartbeatKind::Text(text)), Some(longest)) = (heartbeat.map(|it| &it.kind), spec.longest_text)
        && text.len() > longest
    {
        let message = format!(
            "the text has {} bytes, and the server of the dialect \"{}\" closes the socket after more than {longest}: \
             use kind = \"auto\"",
            text.len(),
            spec.name
        );
        errors.push("heartbeat.send", FieldErrorCode::TooLong, text, message);
        return false;
    }
    true
}

fn reply(form: &ReplyForm, errors: &mut Errors) -> Option<ReplyMatcher> {
    let given = [
        ("equals", &form.equals),
        ("contains", &form.contains),
        ("matches", &form.matches),
        ("json-path", &form.json_path),
    ];
    let mut given = given.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let (Some((key, value)), None) = (given.next(), given.next()) else {
        let message =
            "a heartbeat's answer is recognised in one way: give exactly one of equals, contains, matches, json-path";
        errors.push("heartbeat.reply", FieldErrorCode::ExactlyOne, "", message);
        return None;
    };
    let field = format!("heartbeat.reply.{key}");
    if value.is_empty() {
        // An empty pattern is found in every text, and every message would be taken for a reply.
        errors.push(field, FieldErrorCode::Missing, "", "this is empty: give what the answer looks like");
        return None;
    }
    let value = fields::frame(&field, value, errors)?;
    matcher(key, value).map_err(|(code, value, message)| errors.push(field, code, &value, message)).ok()
}

fn matcher(key: &str, value: String) -> Result<ReplyMatcher, (FieldErrorCode, String, String)> {
    match key {
        "equals" => Ok(ReplyMatcher::Equals(value)),
        "contains" => Ok(ReplyMatcher::Contains(value)),
        "matches" => match RegexBuilder::new(&value).size_limit(REGEX_LIMIT).build() {
            Ok(_) => Ok(ReplyMatcher::Matches(value)),
            Err(error) => {
                // The last line of the parser's drawing says what is wrong.
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message = format!("\"{}\" is not a regular expression ({why}): correct it", shown(&value));
                Err((FieldErrorCode::RegexInvalid, value, message))
            }
        },
        _ => match JsonPath::parse(&value) {
            Ok(_) => Ok(ReplyMatcher::JsonPath(value)),
            Err(error) => {
                let message = format!(
                    "\"{}\" is not a JSON path of RFC 9535 ({}, at character {}): write one such as $.pong",
                    shown(&value),
                    error.message(),
                    error.position() + 1
                );
                Err((FieldErrorCode::JsonPathInvalid, value, message))
            }
        },
    }
}

fn message(form: MessageForm, errors: &mut Errors) -> MessageSettings {
    let settings = MessageSettings {
        title: form.title.unwrap_or_default(),
        body: form.body.unwrap_or_default(),
        id: form.id.unwrap_or_default(),
        ignore: form.ignore.unwrap_or_default(),
    };
    for (field, source) in
        [("message.title", &settings.title), ("message.body", &settings.body), ("message.id", &settings.id)]
    {
        check_template(field, source, template::check, errors);
    }
    if fields::few(settings.ignore.len(), "message.ignore", errors).is_none() {
        return settings;
    }
    for (at, source) in settings.ignore.iter().enumerate() {
        check_template(&format!("message.ignore[{at}]"), source, template::check_expression, errors);
    }
    settings
}

fn check_template(field: &str, source: &str, check: fn(&str) -> Result<(), String>, errors: &mut Errors) {
    if source.len() > TEMPLATE_MAX {
        let message = format!("the template has {} bytes: use at most {TEMPLATE_MAX}", source.len());
        errors.push(field, FieldErrorCode::TooLong, source, message);
    } else if let Err(why) = check(source) {
        let message =
            format!("the template does not work ({why}): correct it, as in {{{{ json.text | default(text) }}}}");
        errors.push(field, FieldErrorCode::TemplateInvalid, source, message);
    }
}
