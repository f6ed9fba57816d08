//! The window's web part: dependencies and build, each only when something changed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use crate::command::{self, Failure, ask, command, say};
use crate::dirs;

const NODE_AT_LEAST: (u32, u32) = (20, 19);
const NODE_ADVICE: &str =
    "Install Node.js 20.19 or later: from https://nodejs.org, or with a version manager (`nvm install 20`).";

/// Fails with what to do unless Node.js is new enough.
pub fn require_node() -> Result<(), Failure> {
    let version = ask(command("node").arg("--version"));
    let version = version.map_err(|failure| Failure::new(format!("{failure} {NODE_ADVICE}")))?;
    match parse_version(&version) {
        Some(found) if found >= NODE_AT_LEAST => Ok(()),
        _ => Err(Failure::new(format!("Node.js {} is too old. {NODE_ADVICE}", version.trim()))),
    }
}

/// npm in the ui folder.
pub fn npm(args: &[&str]) -> Command {
    let mut npm = command(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(dirs::ui()).args(args);
    npm
}

/// Installs the dependencies if package-lock.json changed since the last time.
pub fn install() -> Result<(), Failure> {
    install_in(&dirs::ui())
}

/// Runs `npm ci` in a folder unless its `node_modules` were made from the same package-lock.json.
pub fn install_in(folder: &Path) -> Result<(), Failure> {
    let lock = folder.join("package-lock.json");
    let wanted = fs::read(&lock).map_err(Failure::io(format!("reading {}", lock.display())))?;
    // Inside node_modules, so that it goes when they go.
    let stamp = folder.join("node_modules/.made-from-package-lock.json");
    if fs::read(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return Ok(());
    }
    let advice = "It needs the npm registry; check the network or npm's proxy settings.";
    command::run(npm(&["ci", "--no-audit", "--no-fund"]).current_dir(folder), advice)?;
    fs::write(&stamp, wanted).map_err(Failure::io(format!("writing {}", stamp.display())))
}

/// Builds ui/dist if a source is newer.
pub fn build() -> Result<(), Failure> {
    install()?;
    let ui = dirs::ui();
    // Not in dist, all of which becomes part of the app.
    let stamp = ui.join("node_modules/.built");
    if is_current(&ui, &stamp) {
        say("The window's web part is up to date.");
        return Ok(());
    }
    command::run(&mut npm(&["run", "build"]), "`npm run check` in ui/ may say more.")?;
    fs::write(&stamp, "").map_err(Failure::io(format!("writing {}", stamp.display())))
}

/// Whether dist was built after the last change, and is still what was built: Cargo alone puts an empty page there.
fn is_current(ui: &Path, stamp: &Path) -> bool {
    let when = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
    let Some(built) = when(stamp) else { return false };
    when(&ui.join("dist/index.html")).is_some_and(|page| page <= built) && newest_source(ui) <= built
}

/// When the newest of the sources was changed; folders count too, so that a removed file is noticed.
fn newest_source(folder: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    let Ok(entries) = fs::read_dir(folder) else { return newest };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name == "node_modules" || name == "dist" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        let Ok(about) = entry.metadata() else { continue };
        newest = newest.max(about.modified().unwrap_or(newest));
        if about.is_dir() {
            newest = newest.max(newest_source(&entry.path()));
        }
    }
    newest
}

fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_compare_as_numbers() {
        for (version, enough) in
            [("v20.19.0\n", true), ("v20.9.3", false), ("v22.1.0", true), ("v18.20.4", false), ("?", false)]
        {
            assert_eq!(parse_version(version).is_some_and(|found| found >= NODE_AT_LEAST), enough, "{version}");
        }
    }

    #[test]
    fn it_is_built_again_after_a_change_and_after_cargos_empty_page() {
        let folder = tempfile::tempdir().unwrap();
        let ui = folder.path();
        let stamp = ui.join("node_modules/.built");
        let touch = |path: &Path, seconds: u64| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let time = SystemTime::now() + std::time::Duration::from_secs(seconds);
            fs::File::create(path).unwrap().set_modified(time).unwrap();
        };
        touch(&ui.join("src/views/History.svelte"), 50);
        touch(&ui.join("dist/index.html"), 60);
        assert!(!is_current(ui, &stamp), "never built");
        touch(&stamp, 61);
        assert!(is_current(ui, &stamp));
        touch(&ui.join("node_modules/a/index.js"), 100);
        touch(&ui.join(".svelte-kit/x"), 100);
        assert!(is_current(ui, &stamp), "neither is a source");
        touch(&ui.join("dist/index.html"), 62);
        assert!(!is_current(ui, &stamp), "somebody else's page");
        touch(&stamp, 63);
        touch(&ui.join("src/views/History.svelte"), 64);
        assert!(!is_current(ui, &stamp), "a deep source is newer");
    }
}
