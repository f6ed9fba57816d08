//! What the demo server does on each connection, one step after the other; written in TOML:
//!
//! ```toml
//! repeat = true                  # each connection begins again after its last step
//! # every = "1min"               # or: by the server's clock, the same steps for all connections in each such time
//! heartbeat = "HeartBeat"        # the text that is sent back
//!
//! [[steps]]
//! after = "2s"                   # after the opening, or after the step before
//! do = "send"
//! text = '{"title":"Hello","text":"It works","id":"{id}"}'   # {id}: never the same twice; a list takes turns
//!
//! [[steps]]
//! after = "1min"
//! do = "silence"                 # reads nothing and answers nothing
//! for = "12s"
//!
//! [[steps]]
//! after = "5s"
//! do = "close"                   # or "drop": end without a close frame
//! code = 1012
//! ```

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use serde::Deserialize;
use serde_spanned::Spanned;

/// The least time after which steps begin again.
const SHORTEST: Duration = Duration::from_millis(10);

/// The steps of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
    /// Begin again after the last step.
    pub repeat: bool,
    /// The steps are not played from each opening but by the server's clock, and begin again each time this has passed:
    /// a connection takes part in those that begin after it opened.
    pub every: Option<Duration>,
    /// The text that is sent back as it came.
    pub heartbeat: String,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How long after the end of the step before, or after the opening.
    pub after: Duration,
    /// What is done then.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send one of these texts; they take turns over all clients. `{id}` in them becomes an id that is used once.
    Send(Vec<String>),
    /// Read nothing and answer nothing for this long.
    Silence(Duration),
    /// Close with this code.
    Close(u16),
    /// End without a close frame.
    Drop,
}

/// A script that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// Which file, if it is one.
    pub file: Option<PathBuf>,
    /// Which line, from 1, if it is one line's fault.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if self.file.is_some() || self.line.is_some() {
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ScriptError {}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The file cannot be read, or is no script: with its name and, where one is at fault, the line.
    pub fn load(file: &Path) -> Result<Self, ScriptError> {
        let named = |error: ScriptError| ScriptError { file: Some(file.to_owned()), ..error };
        let written = fs::read_to_string(file).map_err(|error| {
            named(ScriptError { file: None, line: None, message: format!("the script cannot be read: {error}") })
        })?;
        Self::parse(&written).map_err(named)
    }

    /// Parses a script.
    ///
    /// # Errors
    /// It is none: with the line where one is at fault.
    pub fn parse(written: &str) -> Result<Self, ScriptError> {
        let at = |start: usize| Some(1 + written.bytes().take(start).filter(|byte| *byte == b'\n').count());
        let file: WrittenScript = toml_edit::de::from_str(written).map_err(|error| ScriptError {
            file: None,
            line: error.span().and_then(|span| at(span.start)),
            message: error.message().to_owned(),
        })?;
        let mut steps = Vec::with_capacity(file.steps.len());
        for step in file.steps {
            let line = at(step.span().start);
            let step = Step::try_from(step.into_inner());
            steps.push(step.map_err(|message| ScriptError { file: None, line, message })?);
        }
        let whole = |message: String| ScriptError { file: None, line: None, message };
        let every = file.every.map(|every| time("every", &every)).transpose().map_err(whole)?;
        let script = Self { steps, repeat: file.repeat, every, heartbeat: file.heartbeat };
        let spent: Duration = script.steps.iter().map(Step::length).sum();
        if let Some(every) = script.every.filter(|every| *every < spent.max(SHORTEST)) {
            let (every, spent) = (every.as_secs_f64(), spent.as_secs_f64());
            return Err(whole(format!("`every` is {every} s, but the steps take {spent} s")));
        }
        if script.repeat && spent < SHORTEST {
            let message = "the script repeats without taking any time: give a step an `after`".to_owned();
            return Err(whole(message));
        }
        Ok(script)
    }
}

impl Step {
    fn length(&self) -> Duration {
        self.after + self.action.length()
    }
}

impl Action {
    /// How long it takes.
    pub(super) fn length(&self) -> Duration {
        match self {
            Self::Silence(time) => *time,
            Self::Send(_) | Self::Close(_) | Self::Drop => Duration::ZERO,
        }
    }
}

/// The demo: a first message soon after the start, one every 15 s, and once a minute 12 s of silence. The silence comes
/// early, and by the server's clock: whoever watches the first half minute has seen an outage, and whoever comes back
/// from one has the rest of the minute.
impl Default for Script {
    fn default() -> Self {
        let send = |after| Step { after: Duration::from_secs(after), action: Action::Send(friendly()) };
        let silence = Step { after: Duration::from_secs(1), action: Action::Silence(Duration::from_secs(12)) };
        Self {
            steps: vec![send(2), send(15), silence, send(2), send(15)],
            repeat: false,
            every: Some(Duration::from_secs(60)),
            heartbeat: heartbeat(),
        }
    }
}

fn heartbeat() -> String {
    "HeartBeat".to_owned()
}

fn friendly() -> Vec<String> {
    let say = |title: &str, text: &str| serde_json::json!({ "title": title, "text": text, "id": "{id}" }).to_string();
    vec![
        say("Hello from the demo server", "This is what a message looks like on your desktop."),
        say("The kettle has boiled", "Tea is ready when you are."),
        say("Parcel delivered", "The neighbour at number 12 took it in."),
        say("Backup finished", "3,412 files are safe, and nobody had to think of it."),
        say("Build succeeded", "All tests passed on the first try. Really."),
        say("Your train is on time", "Platform 4, in 20 minutes."),
        say("New order", "Two croissants and a coffee for table 7."),
        say("A short break?", "You have been at it for an hour; the window has a view."),
    ]
}

/// A script as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenScript {
    steps: Vec<Spanned<WrittenStep>>,
    #[serde(default)]
    repeat: bool,
    every: Option<String>,
    #[serde(default = "heartbeat")]
    heartbeat: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    after: Option<String>,
    r#do: Option<String>,
    text: Option<Texts>,
    code: Option<i64>,
    r#for: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl TryFrom<WrittenStep> for Step {
    type Error = String;

    fn try_from(written: WrittenStep) -> Result<Self, String> {
        let WrittenStep { after, r#do, text, code, r#for } = written;
        let after = after.map_or(Ok(Duration::ZERO), |after| time("after", &after))?;
        let action = match (r#do.as_deref(), text, code, r#for) {
            (Some("send"), Some(texts), None, None) => Action::Send(some_of(texts)?),
            (Some("silence"), None, None, Some(length)) => Action::Silence(time("for", &length)?),
            (Some("close"), None, code, None) => Action::Close(close_code(code.unwrap_or(1000))?),
            (Some("drop"), None, None, None) => Action::Drop,
            (Some("send"), ..) => return Err("a `send` step has a `text` and nothing else".to_owned()),
            (Some("silence"), ..) => return Err("a `silence` step has a `for` and nothing else".to_owned()),
            (Some("close"), ..) => return Err("a `close` step has at most a `code`".to_owned()),
            (Some("drop"), ..) => return Err("a `drop` step has nothing but an `after`".to_owned()),
            (Some(other), ..) => {
                return Err(format!("{other:?} is nothing a step can do: use send, silence, close or drop"));
            }
            (None, ..) => return Err("the step has no `do`: use send, silence, close or drop".to_owned()),
        };
        Ok(Self { after, action })
    }
}

fn some_of(texts: Texts) -> Result<Vec<String>, String> {
    match texts {
        Texts::One(text) => Ok(vec![text]),
        Texts::Many(texts) if texts.is_empty() => Err("`text` is an empty list".to_owned()),
        Texts::Many(texts) => Ok(texts),
    }
}

fn time(field: &str, given: &str) -> Result<Duration, String> {
    let parsed = SpanParser::new().parse_duration(given).ok().and_then(|time| Duration::try_from(time).ok());
    parsed
        .filter(|time| *time <= Duration::from_secs(24 * 3600))
        .ok_or_else(|| format!("`{field}` is {given:?}, which is no time up to a day: write it as 500ms, 2s or 1min"))
}

/// What may stand in a close frame (RFC 6455, section 7.4).
fn close_code(given: i64) -> Result<u16, String> {
    match given {
        1000..=1003 | 1007..=1014 | 3000..=4999 => u16::try_from(given).map_err(|error| error.to_string()),
        _ => Err(format!("{given} cannot be sent as a close code: use 1000 to 1003, 1007 to 1014 or 3000 to 4999")),
    }
}
