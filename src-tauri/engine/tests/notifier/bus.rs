//! A private session bus. `DBUS_SESSION_BUS_ADDRESS` belongs to the whole process and may not be changed in it, so each
//! test runs itself again as a process of its own that has it set.

use std::future::Future;
use std::path::PathBuf;
use std::process::Command;

use xtask::test::lacks;

pub use crate::dbus_daemon::Bus;

/// Tells the second run of a test where its bus is to be.
const BUS_FOLDER: &str = "HEARTWIRE_TEST_BUS_FOLDER";

/// Runs a test whose session bus would be at `<folder>/bus`; starting one is left to the test.
pub fn with_own_session<F: Future<Output = ()>>(name: &str, test: impl FnOnce(PathBuf) -> F) {
    if let Some(folder) = std::env::var_os(BUS_FOLDER) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(test(PathBuf::from(folder)));
    }
    if lacks(name, "dbus-daemon") {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(BUS_FOLDER, folder.path())
        .env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", folder.path().join("bus").display()))
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}");
}
