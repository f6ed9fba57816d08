//! What settings hold, over the real defaults and presets.

mod access;
mod any;
mod presets;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::*;
use crate::dialect::{self, Effects, Incoming};
use crate::link::{HeartbeatKind, Jitter};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultFile {
    general: General,
    connection: ConnectionForm,
}

fn default_file() -> DefaultFile {
    toml_edit::de::from_str(include_str!("../../../../../config/default.toml")).unwrap()
}

fn defaults() -> ConnectionForm {
    default_file().connection
}

fn presets() -> Vec<Preset> {
    let texts = dialect::ALL.iter().flat_map(|spec| spec.presets);
    texts.map(|text| toml_edit::de::from_str(text).unwrap()).collect()
}

/// A form as it stands in a file.
fn form(toml: &str) -> ConnectionForm {
    toml_edit::de::from_str(toml).unwrap_or_else(|error| panic!("{toml}: {error}"))
}

fn resolved(toml: &str) -> Connection {
    resolve(&form(toml), &defaults(), &presets()).unwrap_or_else(|errors| panic!("{toml}: {errors:?}"))
}

const MINIMAL: &str = "name = 'crm'\nurl = 'wss://h/x'\n";
