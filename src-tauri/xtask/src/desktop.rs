//! A private desktop where there is no display: an X server without a screen, a session bus, a window manager, a panel with
//! a tray, a notification daemon, and folders of its own. Nothing of the person's session is touched, and everything ends
//! with the value.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::bus::{Bus, Object};
use crate::command::{Failure, show};
use crate::process::{Running, tied};
use crate::tray;

/// The screen's width and height in pixels.
pub const SCREEN: (u32, u32) = (1440, 900);
/// The height of the panel at the top, in pixels.
const PANEL: u32 = 32;
const NOTIFICATIONS: &str = "org.freedesktop.Notifications";
/// What dunst offers beyond the specification.
const DUNST: Object<'static> =
    Object { owner: NOTIFICATIONS, path: "/org/freedesktop/Notifications", interface: "org.dunstproject.cmd0" };
/// How long any part may take to be ready. Generous: other builds may keep the machine busy.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The desktop. It ends when dropped, and when the thread that started it ends.
#[derive(Debug)]
pub struct Desktop {
    // Dropped in this order: what uses the display and the bus ends before them, the folder last.
    dunst: Option<Running>,
    panel: Running,
    _window_manager: Running,
    _bus: Running,
    _display: Running,
    popups: Option<ChildStdout>,
    bus: Bus,
    env: Vec<(&'static str, OsString)>,
    folder: tempfile::TempDir,
}

/// A notification as dunst's history has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Who sent it.
    pub appname: String,
    /// Its title.
    pub summary: String,
    /// Its text, as it was sent: with markup, if there was any.
    pub body: String,
}

impl Desktop {
    /// Starts it and waits until every part is ready.
    pub fn start() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("heartwire-desktop-").tempdir();
        let folder = folder.map_err(Failure::io("making a temporary folder"))?;
        let mut env = make_folders(folder.path())?;
        let size = format!("{}x{}x24", SCREEN.0, SCREEN.1);
        let args = ["-displayfd", "1", "-screen", "0", &size, "-nolisten", "tcp", "-noreset"];
        let (display, number) = first_line(part("Xvfb", &env, folder.path()).args(args))?;
        env.push(("DISPLAY", format!(":{number}").into()));
        let args = ["--session", "--nofork", "--nopidfile", "--print-address=1"];
        let (bus_daemon, address) = first_line(part("dbus-daemon", &env, folder.path()).args(args))?;
        env.push(("DBUS_SESSION_BUS_ADDRESS", address.clone().into()));
        let window_manager =
            Running::start(part("xfwm4", &env, folder.path()).args(["--compositor=off", "--sm-client-disable"]))?;
        let panel = start_panel(&env, folder.path())?;
        let mut desktop = Self {
            dunst: None,
            panel,
            _window_manager: window_manager,
            _bus: bus_daemon,
            _display: display,
            popups: None,
            bus: Bus::at(address),
            env,
            folder,
        };
        desktop.start_notifications()?;
        desktop.run("xsetroot", &["-solid", "#5b7083"])?;
        desktop.bus.wait_for(tray::WATCHER, READY_WITHIN)?;
        Ok(desktop)
    }

    /// The environment of everything that runs on it.
    pub fn env(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        self.env.iter().cloned()
    }

    /// A command that will run on it, and ends with the thread that starts it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = tied(program);
        on(&self.env, &mut command);
        command
    }

    /// A folder of its own, for whatever runs on it; it goes with the desktop.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its session bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The icons in the panel's tray.
    pub fn tray(&self) -> Result<Vec<tray::Item>, Failure> {
        tray::items(&self.bus)
    }

    /// Ends the panel as a crash does and starts it again; its tray is empty until the icons come back by themselves.
    pub fn restart_panel(&mut self) -> Result<(), Failure> {
        self.stop_panel()?;
        self.panel = start_panel(&self.env, self.folder.path())?;
        self.bus.wait_for(tray::WATCHER, READY_WITHIN)
    }

    /// Ends the panel as a crash does: there is no tray until [`Self::restart_panel`].
    pub fn stop_panel(&mut self) -> Result<(), Failure> {
        if self.panel.ended().is_some() {
            return Ok(());
        }
        self.panel.signal(rustix::process::Signal::KILL)?;
        match self.panel.wait(READY_WITHIN) {
            Some(_) => Ok(()),
            None => Err(Failure::new("the panel did not end")),
        }
    }

    /// Starts the notification daemon, and again after [`Self::stop_notifications`].
    pub fn start_notifications(&mut self) -> Result<(), Failure> {
        let mut dunst = part("dunst", &self.env, self.folder.path());
        dunst.arg("-conf").arg(self.folder.path().join("dunstrc")).arg("-print").stdout(Stdio::piped());
        let mut dunst = Running::start(&mut dunst)?;
        self.popups = dunst.child().stdout.take();
        self.dunst = Some(dunst);
        self.bus.wait_for(NOTIFICATIONS, READY_WITHIN)
    }

    /// Ends the notification daemon.
    pub fn stop_notifications(&mut self) {
        self.dunst = None;
        self.popups = None;
    }

    /// What dunst prints about each notification as it comes; once, to be read by whoever wants to watch.
    pub fn take_popups(&mut self) -> Option<ChildStdout> {
        self.popups.take()
    }

    /// Shows a notification as any app may.
    pub fn notify(&self, summary: &str, body: &str) -> Result<(), Failure> {
        let arguments = ["susssasa{sv}i", "xtask", "0", "", summary, body, "0", "0", "-1"];
        let daemon = Object { owner: NOTIFICATIONS, path: "/org/freedesktop/Notifications", interface: NOTIFICATIONS };
        self.bus.call(daemon, "Notify", &arguments).map(drop)
    }

    /// Every notification there has been, the oldest first. Those still on the screen are closed, since only closed ones
    /// are in dunst's history.
    pub fn notifications(&self) -> Result<Vec<Notification>, Failure> {
        self.bus.call(DUNST, "NotificationCloseAll", &[])?;
        let history = self.bus.call(DUNST, "NotificationListHistory", &[])?;
        let rows = history[0].as_array().cloned().unwrap_or_default();
        let text = |row: &serde_json::Value, key: &str| row[key]["data"].as_str().unwrap_or_default().to_owned();
        let mut found: Vec<_> = rows
            .iter()
            .map(|row| {
                let (appname, summary, body) = (text(row, "appname"), text(row, "summary"), text(row, "body"));
                (row["id"]["data"].as_i64(), Notification { appname, summary, body })
            })
            .collect();
        found.sort_by_key(|(id, _)| *id);
        Ok(found.into_iter().map(|(_, notification)| notification).collect())
    }

    /// Holds popups back, as a person does while presenting, and shows those that came meanwhile afterwards.
    pub fn pause_popups(&self, paused: bool) -> Result<(), Failure> {
        self.bus.set_property(DUNST, "paused", &["b", if paused { "true" } else { "false" }])
    }

    /// Saves what is on the screen as a PNG file.
    pub fn screenshot(&self, file: &Path) -> Result<(), Failure> {
        self.scrot(file, &[])
    }

    /// Saves the window that has the focus, with its title bar, as a PNG file.
    pub fn screenshot_of_window(&self, file: &Path) -> Result<(), Failure> {
        self.scrot(file, &["--focused", "--border"])
    }

    /// Saves the right end of the panel, where the tray is, as a PNG file.
    pub fn screenshot_of_tray(&self, file: &Path) -> Result<(), Failure> {
        let area = format!("{},0,320,{}", SCREEN.0 - 320, PANEL + 8);
        self.scrot(file, &["-a", &area])
    }

    /// Asks the window with this title to close, as its title bar's button does.
    pub fn close_window(&self, title: &str) -> Result<(), Failure> {
        // -F: the whole title.
        self.run("wmctrl", &["-F", "-c", title]).map(drop)
    }

    /// Whether a window with this title is on the screen.
    pub fn has_window(&self, title: &str) -> bool {
        // A line is number, desktop, host and title.
        let is_it = |line: &str| line.split_whitespace().skip(3).eq(title.split_whitespace());
        self.run("wmctrl", &["-l"]).is_ok_and(|list| list.lines().any(is_it))
    }

    fn scrot(&self, file: &Path, args: &[&str]) -> Result<(), Failure> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(Failure::io(format!("making {}", folder.display())))?;
        }
        let file = file.to_string_lossy();
        self.run("scrot", &[args, &["--overwrite", &file]].concat()).map(drop)
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<String, Failure> {
        let mut command = self.command(program);
        let output = command.args(args).output().map_err(Failure::io(format!("{program} could not be started")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(format!("`{}` ended with {}: {words}", show(&command), output.status)))
    }
}

/// The folders and files, and the environment that points to them.
fn make_folders(folder: &Path) -> Result<Vec<(&'static str, OsString)>, Failure> {
    let make = |name: &str| -> Result<PathBuf, Failure> {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(Failure::io(format!("making {}", path.display())))?;
        Ok(path)
    };
    let runtime = make("runtime")?;
    fs::set_permissions(&runtime, Permissions::from_mode(0o700))
        .map_err(Failure::io("making the runtime folder private"))?;
    let config = make("config")?;
    let channels = make("config/xfce4/xfconf/xfce-perchannel-xml")?;
    for (file, text) in [
        (channels.join("xfce4-panel.xml"), include_str!("desktop/xfce4-panel.xml")),
        (channels.join("xfwm4.xml"), include_str!("desktop/xfwm4.xml")),
        (folder.join("dunstrc"), include_str!("desktop/dunstrc")),
    ] {
        fs::write(&file, text).map_err(Failure::io(format!("writing {}", file.display())))?;
    }
    Ok(vec![
        ("XDG_RUNTIME_DIR", runtime.into()),
        ("XDG_CONFIG_HOME", config.into()),
        ("HOME", make("home")?.into()),
        ("XDG_DATA_HOME", make("data")?.into()),
        ("XDG_CACHE_HOME", make("cache")?.into()),
        ("XDG_STATE_HOME", make("state")?.into()),
        ("XDG_CURRENT_DESKTOP", "XFCE".into()),
        ("XDG_SESSION_TYPE", "x11".into()),
        ("GDK_BACKEND", "x11".into()),
        ("LANG", "C.UTF-8".into()),
        // The accessibility bus is one more daemon that nobody here asks.
        ("NO_AT_BRIDGE", "1".into()),
    ])
}

/// A part of the desktop: its words go to a file in the desktop's folder.
fn part(program: &str, env: &[(&'static str, OsString)], folder: &Path) -> Command {
    let mut command = tied(program);
    on(env, &mut command);
    let log = fs::File::create(folder.join(format!("{program}.log")));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.map_or_else(|_| Stdio::null(), Stdio::from));
    command
}

fn start_panel(env: &[(&'static str, OsString)], folder: &Path) -> Result<Running, Failure> {
    Running::start(part("xfce4-panel", env, folder).args(["--disable-wm-check", "--sm-client-disable"]))
}

fn on(env: &[(&'static str, OsString)], command: &mut Command) {
    // What a person's own session set must not leak in.
    for name in
        ["WAYLAND_DISPLAY", "SESSION_MANAGER", "GTK_THEME", "DESKTOP_SESSION", "XAUTHORITY", "LC_ALL", "LANGUAGE"]
    {
        command.env_remove(name);
    }
    command.envs(env.iter().map(|(name, value)| (name, value)));
}

/// Starts it and waits for the line with which it says that it is ready.
fn first_line(command: &mut Command) -> Result<(Running, String), Failure> {
    let mut running = Running::start(command.stdout(Stdio::piped()))?;
    let mut line = String::new();
    if let Some(stdout) = running.child().stdout.take() {
        // Ends with the program too, so there is no waiting for ever on one that cannot start.
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(Failure::io(format!("reading from `{}`", running.name())))?;
    }
    let line = line.trim().to_owned();
    if line.is_empty() {
        return Err(Failure::new(format!("`{}` ended before it was ready", running.name())));
    }
    Ok((running, line))
}
