//! Where things are: the workspace's root and what is built.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    // Cargo sets this for what it runs. The folder this was compiled in may be another copy of the workspace, where two
    // share a target folder, and is the last resort.
    let start = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).or_else(|| env::current_dir().ok());
    start
        .as_deref()
        .and_then(|start| start.ancestors().find(|dir| dir.join("src-tauri/xtask/Cargo.toml").is_file()))
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), Path::to_path_buf)
});

/// The workspace's root.
pub fn root() -> &'static Path {
    &ROOT
}

/// Where Cargo builds.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Tools that only development needs, installed by xtask.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// The window's sources.
pub fn ui() -> PathBuf {
    root().join("ui")
}
