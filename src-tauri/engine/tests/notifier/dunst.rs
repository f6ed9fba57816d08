//! The real dunst on a display of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running dunst and its display.
pub struct Dunst {
    dunst: Child,
    display: Child,
}

impl Dunst {
    pub fn start(folder: &Path) -> Self {
        let mut display = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The number is printed when it listens.
        let mut number = String::new();
        BufReader::new(display.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let config = folder.join("dunstrc");
        std::fs::write(&config, "[global]\nhistory_length = 100\nmarkup = full\n").unwrap();
        let dunst = Command::new("dunst")
            .arg("-conf")
            .arg(&config)
            .env("DISPLAY", format!(":{}", number.trim()))
            .env_remove("WAYLAND_DISPLAY")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { dunst, display }
    }

    /// Stops it in the middle of everything, or lets it go on: `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.dunst.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Closes what is shown and returns all that ever was, the oldest first, once there are so many.
    pub async fn history(&self, count: usize) -> Vec<Value> {
        let begin = Instant::now();
        loop {
            dunstctl(&["close-all"]);
            let history: Value = serde_json::from_str(&dunstctl(&["history"])).unwrap_or_default();
            let mut shown = history["data"][0].as_array().cloned().unwrap_or_default();
            if shown.len() >= count {
                shown.reverse();
                return shown;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "only these were shown: {shown:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// How many popups are on the display.
pub fn displayed() -> String {
    dunstctl(&["count", "displayed"]).trim().to_owned()
}

impl Drop for Dunst {
    fn drop(&mut self) {
        for process in [&mut self.dunst, &mut self.display] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn dunstctl(arguments: &[&str]) -> String {
    let run = Command::new("dunstctl").args(arguments).stderr(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&run.stdout).into_owned()
}
