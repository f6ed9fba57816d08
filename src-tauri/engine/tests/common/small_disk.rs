//! A disk that is soon full.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use xtask::test::skip;

/// A tmpfs of a few KiB, unmounted at the end.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// None, and a word on it, where mounting is not allowed.
    pub fn mount(test: &str, kib: u32) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let options = format!("size={kib}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            Some(Self(folder))
        } else {
            skip(test, "only root may mount a disk of its own");
            None
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn remount(&self, mode: &str) {
        let options = format!("remount,{mode}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.path()).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Writes until there is no room.
pub fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 1_024]).is_ok() {}
}
