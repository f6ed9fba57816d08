//! `cargo xtask run` without a display: the app on a private desktop for a while, what happens printed as it happens,
//! pictures saved of what a person would see.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{Failure, say};
use crate::desktop::Desktop;
use crate::dirs;
use crate::process::Running;
use crate::webdriver::{Theme, Window};

/// How long the tour takes unless told. The demo server falls silent 18 s after its start, and within half a minute that
/// outage is over and in the history; the rest is for the pictures of it.
pub const USUAL_LENGTH: Duration = Duration::from_secs(60);
/// How long before the end the views are opened at the latest, for their pictures.
const FOR_PICTURES: Duration = Duration::from_secs(25);
/// How long a start may take.
const START: Duration = Duration::from_secs(30);
/// How long a thing that just appeared takes to be painted.
const PAINTED_AFTER: Duration = Duration::from_millis(700);
const VIEWS: [&str; 3] = ["connections", "history", "settings"];

/// What is heard while the app runs.
enum Heard {
    /// A line of the app's log.
    Log(String),
    /// The title and text of a notification.
    Popup(String),
}

struct Tour {
    desktop: Desktop,
    app: Running,
    binary: PathBuf,
    heard: Receiver<Heard>,
    popups: u32,
    states: BTreeMap<String, String>,
    outages: usize,
    started: Instant,
    end: Instant,
    saved: Vec<PathBuf>,
}

/// Runs the app for this long; then everything that was started has ended.
pub fn tour(binary: PathBuf, length: Duration, window: bool) -> Result<(), Failure> {
    say(
        "There is no display here, so this starts a private desktop: Xvfb, a D-Bus session, xfwm4, xfce4-panel and dunst.",
    );
    say(format_args!(
        "It ends by itself after {} s; `--for 5min` makes it longer. Pictures go to target/desktop/.",
        length.as_secs()
    ));
    let mut tour = Tour::start(binary, length, window)?;
    tour.until_it_runs()?;
    tour.until("the first notification", |tour| tour.popups > 0);
    tour.show_window()?;
    tour.until("an outage in the history", |tour| tour.outages > 0);
    tour.pictures_of_views(Theme::Light, "light")?;
    tour.pictures_of_views(Theme::Dark, "dark")?;
    tour.until_the_end()?;
    tour.finish()
}

impl Tour {
    fn start(binary: PathBuf, length: Duration, window: bool) -> Result<Self, Failure> {
        let mut desktop = Desktop::start()?;
        let (sender, heard) = channel();
        if let Some(popups) = desktop.take_popups() {
            let sender = sender.clone();
            thread::spawn(move || read_popups(popups, &sender));
        }
        let mut command = desktop.command(&binary.to_string_lossy());
        if window {
            command.arg("--window");
        }
        let mut app = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let (stdout, stderr) = (app.child().stdout.take(), app.child().stderr.take());
        let pipes = stdout.map(|pipe| Box::new(pipe) as Box<dyn Read + Send>).into_iter();
        for pipe in pipes.chain(stderr.map(|pipe| Box::new(pipe) as Box<dyn Read + Send>)) {
            let sender = sender.clone();
            thread::spawn(move || read_log(pipe, &sender));
        }
        let started = Instant::now();
        let (states, saved) = (BTreeMap::new(), Vec::new());
        let end = started + length;
        Ok(Self { desktop, app, binary, heard, popups: 0, states, outages: 0, started, end, saved })
    }

    /// However short the tour is: a second start before the first one runs would itself be the one that runs.
    fn until_it_runs(&mut self) -> Result<(), Failure> {
        while self.status().is_none() {
            self.still_runs()?;
            if self.started.elapsed() > START {
                return Err(Failure::new(format!("Heartwire does not answer after {} s.", START.as_secs())));
            }
            self.watch();
        }
        Ok(())
    }

    /// Watches until this is so, or until it is time for the pictures.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let latest = self.end.checked_sub(FOR_PICTURES).unwrap_or(self.started);
        while !is_so(self) && self.app.ended().is_none() {
            if Instant::now() >= latest {
                return self.note(&format!("no time left to wait for {what}"));
            }
            self.watch();
        }
    }

    fn until_the_end(&mut self) -> Result<(), Failure> {
        while Instant::now() < self.end {
            self.still_runs()?;
            self.watch();
        }
        self.still_runs()
    }

    fn still_runs(&mut self) -> Result<(), Failure> {
        match self.app.ended() {
            None => Ok(()),
            Some(status) => {
                self.watch();
                Err(Failure::new(format!("Heartwire ended by itself with {status}; its log is above.")))
            }
        }
    }

    /// Prints what was heard in the next moment, and what changed since the last look.
    fn watch(&mut self) {
        let pause = Instant::now() + Duration::from_millis(500);
        while let Ok(heard) = self.heard.recv_timeout(pause.saturating_duration_since(Instant::now())) {
            match heard {
                Heard::Log(line) => self.note(&format!("log    {line}")),
                Heard::Popup(words) => {
                    self.popups += 1;
                    self.note(&format!("popup  {words}"));
                }
            }
        }
        if let Some(snapshot) = self.status() {
            self.compare(&snapshot);
        }
    }

    fn status(&self) -> Option<Value> {
        let mut status = self.desktop.command(&self.binary.to_string_lossy());
        let output = status.args(["status", "--json"]).stderr(Stdio::null()).output().ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    fn compare(&mut self, snapshot: &Value) {
        for connection in snapshot["connections"].as_array().into_iter().flatten() {
            let name = connection["name"].as_str().unwrap_or_default().to_owned();
            let state = connection["state"].as_str().unwrap_or_default().to_owned();
            if self.states.get(&name) == Some(&state) {
                continue;
            }
            let why = connection["cause"]["text"].as_str().filter(|_| state == "waiting" || state == "blocked");
            self.note(&format!("link   {name} is {state}{}", why.map(|why| format!(": {why}")).unwrap_or_default()));
            self.states.insert(name, state);
        }
        let over = |outage: &&Value| !outage["until_ms"].is_null();
        self.outages = snapshot["history"].as_array().map_or(0, |rows| rows.iter().filter(over).count());
    }

    /// The app's own window, with a notification beside it.
    fn show_window(&mut self) -> Result<(), Failure> {
        self.still_runs()?;
        self.note("open   the window");
        let mut show = self.desktop.command(&self.binary.to_string_lossy());
        let status = show.arg("--window").status().map_err(Failure::io("asking for the window"))?;
        if !status.success() {
            return Err(Failure::new(format!("a second start, which asks for the window, ended with {status}")));
        }
        let popups = self.popups;
        let shown = Instant::now();
        let has_popup = |tour: &Self| tour.popups > popups && tour.desktop.has_window("Heartwire");
        self.until("a notification beside the window", has_popup);
        thread::sleep(PAINTED_AFTER.saturating_sub(shown.elapsed()));
        self.picture("desktop-popup.png", Desktop::screenshot)?;
        self.picture("tray.png", Desktop::screenshot_of_tray)?;
        self.note("close  the window");
        self.desktop.close_window("Heartwire")
    }

    fn pictures_of_views(&mut self, theme: Theme, name: &str) -> Result<(), Failure> {
        self.still_runs()?;
        self.note(&format!("open   the window, {name}, driven by WebDriver"));
        let window = Window::open(&self.desktop, theme, &self.binary, &["window-process"], &[])?;
        // Popups would cover the window.
        self.desktop.pause_popups(true)?;
        for view in VIEWS {
            window.find(&format!("nav-{view}"))?.click()?;
            thread::sleep(PAINTED_AFTER);
            self.picture(&format!("window-{view}-{name}.png"), Desktop::screenshot_of_window)?;
            self.watch();
        }
        window.close();
        self.desktop.pause_popups(false)
    }

    fn picture(&mut self, name: &str, take: fn(&Desktop, &Path) -> Result<(), Failure>) -> Result<(), Failure> {
        let file = dirs::target().join("desktop").join(name);
        take(&self.desktop, &file)?;
        self.note(&format!("saved  {name}"));
        self.saved.push(file);
        Ok(())
    }

    /// Ends the app as a session does at logout, then the desktop.
    fn finish(mut self) -> Result<(), Failure> {
        self.note("end    asking Heartwire to end");
        self.app.signal(rustix::process::Signal::TERM)?;
        let ended = self.app.wait(Duration::from_secs(5));
        self.watch();
        say(format_args!("\n{} notifications were shown. Saved:", self.popups));
        for file in &self.saved {
            say(format_args!("  {}", file.strip_prefix(dirs::root()).unwrap_or(file).display()));
        }
        match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Failure::new(format!("Heartwire ended with {status}; its log is above."))),
            None => Err(Failure::new("Heartwire did not end within 5 s of SIGTERM.")),
        }
    }

    fn note(&self, words: &str) {
        say(format_args!("{:5.1} s  {words}", self.started.elapsed().as_secs_f64()));
    }
}

fn read_log(pipe: impl Read, to: &Sender<Heard>) {
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if to.send(Heard::Log(line)).is_err() {
            return;
        }
    }
}

/// Reads what `dunst -print` writes of each notification: `summary: '…'` on one line, `body: '…'` on one or more.
fn read_popups(pipe: impl Read, to: &Sender<Heard>) {
    let mut summary = String::new();
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if let Some(text) = line.strip_prefix("\tsummary: '") {
            text.trim_end_matches('\'').clone_into(&mut summary);
        } else if let Some(text) = line.strip_prefix("\tbody: '")
            && to.send(Heard::Popup(format!("{summary}: {}", text.trim_end_matches('\'')))).is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_notification_is_heard_once_with_its_title_and_first_line() {
        let printed = "{\n\tappname: 'Heartwire'\n\tsummary: 'Build 4'\n\tbody: 'it's done\nreally'\n\ticon: ''\n}\n\
                       {\n\tappname: 'Heartwire'\n\tsummary: 'Two'\n\tbody: ''\n}\n";
        let (sender, heard) = channel();
        read_popups(printed.as_bytes(), &sender);
        drop(sender);
        let words: Vec<_> = heard
            .iter()
            .map(|heard| match heard {
                Heard::Popup(words) | Heard::Log(words) => words,
            })
            .collect();
        assert_eq!(words, ["Build 4: it's done", "Two: "]);
    }
}
