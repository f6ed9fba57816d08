//! Presets: a ready connection for a known server, as data. A preset asks for what a person must give and fills the
//! answers into its templates.

use serde::{Deserialize, Serialize};

use super::form::ConnectionForm;

/// A file of `config/presets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct Preset {
    /// The file's name without `.toml`; what `preset = "…"` names.
    pub id: String,
    /// In the window's list, English; the window's catalogue may have its own under `preset.<id>.title`.
    pub title: String,
    /// One sentence, English.
    pub about: String,
    /// What the person must give.
    pub ask: Vec<PresetField>,
    /// Templates (minijinja, with `urlencode` and `tojson`) of what the answers make; only these keys are written into
    /// the person's file, next to `preset`.
    pub answer: ConnectionForm,
    /// Everything else of the connection.
    pub connection: ConnectionForm,
}

/// A question of a preset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct PresetField {
    /// The variable in the templates; errors come back as `answers.<name>`.
    pub name: String,
    /// English; the window's catalogue may have its own under `preset.<id>.<name>`.
    pub label: String,
    /// Shown in the empty field.
    pub example: String,
    /// What is checked.
    pub kind: PresetFieldKind,
}

/// What an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum PresetFieldKind {
    /// ws, wss, http or https.
    Url,
    /// Not empty.
    Text,
}
