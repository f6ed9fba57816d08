//! What is part of the program: the defaults, and the presets that the dialects name.

use heartwire_core::dialect;
use heartwire_core::settings::{ConnectionForm, Preset};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The lowest layer, with every setting.
pub(super) const DEFAULTS: &str = include_str!("../../../../config/default.toml");

/// What a connection has that says nothing else, as long as no file says otherwise: `[connection]` of config/default.toml.
pub fn defaults() -> ConnectionForm {
    #[derive(Deserialize)]
    struct Defaults {
        connection: ConnectionForm,
    }
    let Defaults { connection } = read(DEFAULTS);
    connection
}

/// The presets, in the order of the window's list.
pub fn presets() -> Vec<Preset> {
    dialect::ALL.iter().flat_map(|spec| spec.presets).copied().map(read).collect()
}

#[expect(clippy::expect_used, reason = "the file is part of this build, and a test reads each")]
fn read<T: DeserializeOwned>(text: &str) -> T {
    toml_edit::de::from_str(text).expect("a file that reads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_a_connection_of_a_name_and_a_url() {
        let form = serde_json::from_str(r#"{"name":"a","url":"ws://localhost/"}"#).unwrap();
        let connection = heartwire_core::settings::resolve(&form, &defaults(), &presets()).unwrap();
        assert_eq!(connection.url.as_str(), "ws://localhost/");
    }

    #[test]
    fn every_file_of_the_folder_is_a_preset_of_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/presets");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let mut ids: Vec<_> = presets().into_iter().map(|preset| preset.id).collect();
        files.sort();
        ids.sort();
        assert_eq!(files, ids);
    }
}
