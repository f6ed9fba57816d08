//! Tauri's build step: lists the window's commands (an unlisted one would be open to every window) and makes an empty
//! page where the interface has not been built, so that checks of the Rust code alone need no Node.js.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let page = Path::new("../ui/dist/index.html");
    if !page.exists() {
        std::fs::create_dir_all("../ui/dist")?;
        std::fs::write(page, "<!doctype html><title>Heartwire</title><p>The interface was not built: cargo xtask run")?;
    }
    // The page is embedded: a new build of it must reach the binary.
    println!("cargo::rerun-if-changed=../ui/dist");
    let commands = tauri_build::AppManifest::new().commands(&["request"]);
    Ok(tauri_build::try_build(tauri_build::Attributes::new().app_manifest(commands))?)
}
