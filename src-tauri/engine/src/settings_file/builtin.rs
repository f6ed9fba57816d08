//! What is part of the program: the defaults and the presets. A new preset is its file and one line here.

use heartwire_core::settings::Preset;

/// The lowest layer, with every setting.
pub(super) const DEFAULTS: &str = include_str!("../../../../config/default.toml");

const PRESETS: [&str; 3] = [
    include_str!("../../../../config/presets/heartbeat-echo.toml"),
    include_str!("../../../../config/presets/crm-heartbeat.toml"),
    include_str!("../../../../config/presets/json-heart.toml"),
];

/// The presets, in the order of the window's list.
pub fn presets() -> Vec<Preset> {
    PRESETS.iter().copied().map(preset).collect()
}

#[expect(clippy::expect_used, reason = "the file is part of this build, and a test reads each")]
fn preset(text: &str) -> Preset {
    toml_edit::de::from_str(text).expect("a preset that reads")
}

#[cfg(test)]
mod tests {
    use super::*;

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
