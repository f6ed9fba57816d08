//! The running app on a private desktop, and what the system says about its processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use heartwire_core::view::{ConnectionView, LinkState, Snapshot};
use xtask::desktop::Desktop;
use xtask::process::{Running, children, eventually};
use xtask::webdriver::{Theme, Window};

use crate::listen::HEARTWIRE;
use crate::server::SOON;

/// The resident with a home of its own. It ends when dropped.
pub struct Resident {
    running: Running,
    home: PathBuf,
}

impl Resident {
    /// Starts it with this settings file, and waits until it answers.
    pub fn start(desktop: &Desktop, settings: &str) -> Self {
        Self::start_with(desktop, settings, &[])
    }

    /// The same with more in its environment.
    pub fn start_with(desktop: &Desktop, settings: &str, env: &[(&str, &str)]) -> Self {
        let home = desktop.folder().join("heartwire");
        fs::create_dir_all(&home).unwrap();
        if !settings.is_empty() {
            fs::write(home.join("config.toml"), settings).unwrap();
        }
        Self::start_in(desktop, home, env)
    }

    /// Ends it as a crash does, and starts it again with the same home.
    pub fn crash_and_start(&mut self, desktop: &Desktop) {
        self.running.kill();
        *self = Self::start_in(desktop, self.home.clone(), &[]);
    }

    fn start_in(desktop: &Desktop, home: PathBuf, env: &[(&str, &str)]) -> Self {
        let log = fs::File::create(desktop.folder().join("heartwire.log")).unwrap();
        let mut command = desktop.command(HEARTWIRE);
        command
            .env("HEARTWIRE_HOME", &home)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let resident = Self { running: Running::start(&mut command).unwrap(), home };
        eventually("the resident to answer", SOON, || resident.try_status(desktop)).unwrap();
        resident
    }

    /// Runs the command line beside it.
    pub fn command(&self, desktop: &Desktop, args: &[&str]) -> (ExitStatus, String) {
        let output = self.output(desktop, args);
        (output.status, String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same with everything it says.
    pub fn output(&self, desktop: &Desktop, args: &[&str]) -> Output {
        let mut command = desktop.command(HEARTWIRE);
        command.args(args).env("HEARTWIRE_HOME", &self.home).output().unwrap()
    }

    /// What `heartwire status --json` says.
    pub fn status(&self, desktop: &Desktop) -> Snapshot {
        self.try_status(desktop).unwrap()
    }

    fn try_status(&self, desktop: &Desktop) -> Option<Snapshot> {
        let (status, text) = self.command(desktop, &["status", "--json"]);
        status.success().then(|| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}")))
    }

    /// The connection once it is in this state.
    pub fn wait_for_state(&self, desktop: &Desktop, name: &str, state: LinkState, within: Duration) -> ConnectionView {
        let look = || {
            let connections = self.status(desktop).connections;
            connections.into_iter().find(|connection| connection.name == name && connection.state == state)
        };
        eventually(&format!("{name} to be {state:?}"), within, look)
            .unwrap_or_else(|failure| panic!("{failure}; status: {:#?}", self.status(desktop)))
    }

    /// The window's process as WebDriver starts it, beside this resident.
    pub fn drive_window(&self, desktop: &Desktop, theme: Theme) -> Window {
        let home = self.home.to_string_lossy();
        Window::open(desktop, theme, Path::new(HEARTWIRE), &["window-process"], &[("HEARTWIRE_HOME", &home)]).unwrap()
    }

    /// Its settings file as it is now; empty if there is none.
    pub fn settings(&self) -> String {
        fs::read_to_string(self.home.join("config.toml")).unwrap_or_default()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// The window's processes that it started.
    pub fn windows(&self) -> Vec<u32> {
        children(self.id()).into_iter().filter(|id| command_line(*id).contains("window-process")).collect()
    }
}

/// What it would give back if it ended, in KiB. Not the proportional set size, which also rises when another program that
/// shares a library ends.
pub fn private_dirty(id: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many descriptors it has open.
pub fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

/// Every process below it, at any depth.
pub fn descendants(id: u32) -> Vec<u32> {
    let direct = children(id);
    let deeper = direct.iter().flat_map(|child| descendants(*child)).collect::<Vec<_>>();
    [direct, deeper].concat()
}

/// Its command line; empty for a zombie.
pub fn command_line(id: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default()).replace('\0', " ")
}
