//! What both `run` and `test` do before anything else.

use crate::command::Failure;
use crate::packages::{self, Need};
use crate::ui;

/// Node.js, system packages, the window's web part.
pub fn all(needs: &[Need]) -> Result<(), Failure> {
    ui::require_node()?;
    packages::install(needs)?;
    ui::build()
}

/// Whether there is a display to show things on.
pub fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        || !cfg!(target_os = "linux")
}
