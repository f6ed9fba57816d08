//! The connections of a dialect as its presets make them, and a conversation of it from the corpus.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, str};

use data_encoding::HEXLOWER_PERMISSIVE;
use heartwire_core::dialect::{Dialect, Dialects, Spec};
use heartwire_core::settings::{Connection, ConnectionForm, General, Preset, resolve};
use serde::Deserialize;

use super::Event;

/// A dialect with what is needed to speak it.
pub struct Subject {
    pub(super) spec: &'static Spec,
    /// One of each preset, answered with its examples.
    pub(super) servers: Vec<Server>,
    /// What a good server says, in order.
    pub(super) talk: Vec<Event>,
    /// What a server may say too, mostly to refuse; seeds like those of the conversation.
    pub(super) also: Vec<Event>,
    /// The frames of both.
    pub(super) frames: Vec<Event>,
    /// The parts of both.
    pub(super) parts: Vec<Event>,
    /// Cursors as the dialect gives them.
    pub(super) cursors: Vec<String>,
    /// Beginnings of binary frames of which the rest may be anything, [`super::large::LENGTH`] bytes long.
    pub(super) heads: Vec<Vec<u8>>,
}

/// A connection, and the dialect of each of its sockets.
pub(super) struct Server {
    pub(super) connection: Connection,
    pub(super) dialect: Box<dyn Fn() -> Box<dyn Dialect>>,
}

impl Subject {
    /// Reads the corpus of this dialect.
    pub fn of(spec: &'static Spec) -> Result<Self, String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{}.txt", spec.name));
        let text = fs::read_to_string(&file).map_err(|error| format!("reading {}: {error}", file.display()))?;
        let servers = servers(spec)?;
        let mut subject = Self {
            spec,
            servers,
            talk: Vec::new(),
            also: Vec::new(),
            frames: Vec::new(),
            parts: Vec::new(),
            cursors: Vec::new(),
            heads: Vec::new(),
        };
        for (at, line) in text.lines().enumerate() {
            subject.line(line).ok_or_else(|| format!("{}:{}: not understood: {line}", file.display(), at + 1))?;
        }
        subject.frames = subject.seeds(false).cloned().collect();
        subject.parts = subject.seeds(true).cloned().collect();
        Ok(subject)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" | "#" => {}
            "cursor" => self.cursors.push(plain(rest)),
            "head" => self.heads.push(bytes(rest)?),
            "also" => self.also.push(event(rest)?),
            _ => self.talk.push(event(line)?),
        }
        Some(())
    }

    /// What is there to be changed: parts of an answer, or frames.
    fn seeds(&self, part: bool) -> impl Iterator<Item = &Event> {
        let all = self.talk.iter().chain(&self.also);
        all.filter(move |event| match event {
            Event::Part(_) => part,
            Event::Text(_) | Event::Binary(_) => !part,
            _ => false,
        })
    }
}

fn event(line: &str) -> Option<Event> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(match word {
        "text" => Event::Text(plain(rest)),
        "part" => Event::Part(plain(rest)),
        "hex" => Event::Binary(bytes(rest)?),
        "end" => Event::End,
        "committed" => Event::Committed,
        "quiet" => Event::Quiet,
        "heartbeat" => Event::Heartbeat,
        "closed" => {
            let (code, reason) = rest.split_once(' ')?;
            Event::Closed(code.parse().ok()?, plain(reason))
        }
        "wrap" => Event::Wrap(plain(rest)),
        _ => return None,
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()
}

/// A line cannot hold these two; their pictures stand for them.
fn plain(text: &str) -> String {
    text.replace('␊', "\n").replace('␀', "\0")
}

fn servers(spec: &Spec) -> Result<Vec<Server>, String> {
    #[derive(Deserialize)]
    struct Defaults {
        connection: ConnectionForm,
        #[serde(rename = "general")]
        _general: General,
    }
    let text = include_str!("../../../../config/default.toml");
    let defaults: Defaults = toml_edit::de::from_str(text).map_err(|error| format!("config/default.toml: {error}"))?;
    let mut dialects = Dialects::default();
    let server = |text: &str| {
        let preset: Preset = toml_edit::de::from_str(text).map_err(|error| error.to_string())?;
        let answers: BTreeMap<_, _> =
            preset.ask.iter().map(|field| (field.name.clone(), field.example.clone())).collect();
        let named = ConnectionForm { name: Some("crm".to_owned()), ..ConnectionForm::default() };
        let form = preset.fill(&named, &answers).map_err(|errors| format!("{}: {errors:?}", preset.id))?;
        let connection = resolve(&form, &defaults.connection, std::slice::from_ref(&preset))
            .map_err(|errors| format!("{}: {errors:?}", preset.id))?;
        let dialect = Box::new(dialects.of(&connection));
        Ok(Server { connection, dialect })
    };
    spec.presets.iter().copied().map(server).collect()
}
