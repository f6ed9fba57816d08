//! A small WebDriver client (W3C WebDriver) for WebKitWebDriver: starts the window's process, finds things in it by their
//! `data-testid`, clicks, types, reads.

use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::command::Failure;
use crate::desktop::Desktop;
use crate::process::{Running, eventually, free_port};

/// The key of an element's id in JSON (W3C WebDriver, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long the page may take to show what is looked for.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);

/// How long the window may take to end after its session, and again after SIGTERM.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// The look of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark text on light ground.
    Light,
    /// Light text on dark ground.
    Dark,
}

/// A window that WebDriver started and drives. The window ends when this is dropped.
#[derive(Debug)]
pub struct Window {
    agent: ureq::Agent,
    session: String,
    driver: Running,
}

/// Something on the page.
#[derive(Clone, Debug)]
pub struct Element<'a> {
    window: &'a Window,
    id: String,
}

impl Window {
    /// Starts `program` with `args` and `env` on the desktop and waits until its page can be asked.
    pub fn open(
        desktop: &Desktop,
        theme: Theme,
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let port = free_port()?;
        let mut driver = desktop.command("WebKitWebDriver");
        driver.args(["--host=127.0.0.1", &format!("--port={port}")]).stdin(Stdio::null()).stdout(Stdio::null());
        // With these the webview lets itself be driven; what is started inherits them.
        driver.env("TAURI_AUTOMATION", "true").env("TAURI_WEBVIEW_AUTOMATION", "true");
        driver.envs(env.iter().copied());
        if theme == Theme::Dark {
            // Of the usual ways the only one that WebKitGTK's prefers-color-scheme follows without a settings daemon.
            driver.env("GTK_THEME", "Adwaita:dark");
        }
        let driver = Running::start(&mut driver)?;
        let listens = || TcpStream::connect(("127.0.0.1", port)).ok();
        eventually("WebKitWebDriver to listen", Duration::from_secs(10), listens)?;
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        let base = format!("http://127.0.0.1:{port}/session");
        let mut window = Self { agent: config.build().into(), session: base, driver };
        let options = json!({"binary": program, "args": args});
        let asked = json!({"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}});
        let session = window.post("", &asked)?;
        let id = session["sessionId"].as_str().ok_or_else(|| Failure::new("WebDriver gave no session"))?;
        window.session = format!("{}/{id}", window.session);
        Ok(window)
    }

    /// The element with this `data-testid`, as soon as it is there and visible.
    pub fn find(&self, testid: &str) -> Result<Element<'_>, Failure> {
        self.find_css(&format!("[data-testid=\"{testid}\"]"))
    }

    /// The first element that the selector selects, as soon as it is there and visible.
    pub fn find_css(&self, css: &str) -> Result<Element<'_>, Failure> {
        let found = eventually(&format!("{css} in the window"), SHOWN_WITHIN, || {
            self.all_css(css).ok()?.into_iter().find(Element::is_shown)
        });
        found.map_err(|failure| {
            let text = self.text();
            Failure::new(format!(
                "{failure}; the window shows:\n{}",
                text.unwrap_or_else(|failure| failure.to_string())
            ))
        })
    }

    /// Every element with this `data-testid` that is there now.
    pub fn all(&self, testid: &str) -> Result<Vec<Element<'_>>, Failure> {
        self.all_css(&format!("[data-testid=\"{testid}\"]"))
    }

    fn all_css(&self, css: &str) -> Result<Vec<Element<'_>>, Failure> {
        let found = self.post("/elements", &json!({"using": "css selector", "value": css}))?;
        let found = found.as_array().cloned().unwrap_or_default();
        let ids = found.iter().filter_map(|element| element[ELEMENT].as_str());
        Ok(ids.map(|id| Element { window: self, id: id.to_owned() }).collect())
    }

    /// All text that is shown.
    pub fn text(&self) -> Result<String, Failure> {
        Ok(self.execute("return document.body.innerText", &json!([]))?.as_str().unwrap_or_default().to_owned())
    }

    /// Runs the body of a function in the page; its arguments are in `arguments`.
    pub fn execute(&self, script: &str, args: &Value) -> Result<Value, Failure> {
        self.post("/execute/sync", &json!({"script": script, "args": args}))
    }

    /// Closes the window the way a page's user agent does, and ends the session.
    pub fn close(self) {
        drop(self);
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        value(path, self.agent.post(format!("{}{path}", self.session)).send_json(body))
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        value(path, self.agent.get(format!("{}{path}", self.session)).call())
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let started = self.driver.children();
        // The session may be gone already, with the window.
        let _ = self.agent.delete(&self.session).call();
        // Ending a session closes the page; the program around it may stay, with an empty window.
        for id in started {
            let ended = || (!self.driver.children().contains(&id)).then_some(());
            if eventually("the window's process to end", ENDS_WITHIN, ended).is_err() {
                // It is still the driver's child, so the number is still its own.
                let _ = kill_process(id, Signal::TERM);
                let _ = eventually("the window's process to end", ENDS_WITHIN, ended);
            }
        }
    }
}

impl Element<'_> {
    /// Clicks its middle.
    pub fn click(&self) -> Result<(), Failure> {
        self.window.post(&self.at("/click"), &json!({})).map(drop)
    }

    /// Types text into it.
    pub fn type_text(&self, text: &str) -> Result<(), Failure> {
        self.window.post(&self.at("/value"), &json!({"text": text})).map(drop)
    }

    /// Empties a field.
    pub fn clear(&self) -> Result<(), Failure> {
        self.window.post(&self.at("/clear"), &json!({})).map(drop)
    }

    /// The text it shows.
    pub fn text(&self) -> Result<String, Failure> {
        Ok(self.window.get(&self.at("/text"))?.as_str().unwrap_or_default().to_owned())
    }

    /// An attribute; none if it has no such.
    pub fn attribute(&self, name: &str) -> Result<Option<String>, Failure> {
        Ok(self.window.get(&self.at(&format!("/attribute/{name}")))?.as_str().map(ToOwned::to_owned))
    }

    /// Whether a person can see it.
    pub fn is_shown(&self) -> bool {
        self.window.get(&self.at("/displayed")).is_ok_and(|shown| shown == true)
    }

    fn at(&self, path: &str) -> String {
        format!("/element/{}{path}", self.id)
    }
}

fn value(asked: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, Failure> {
    let failed = |error: ureq::Error| Failure::new(format!("asking WebDriver for {asked}: {error}"));
    let mut answer: Value = answer.map_err(failed)?.body_mut().read_json().map_err(failed)?;
    let value = answer["value"].take();
    match value["error"].as_str() {
        Some(error) => {
            let words = value["message"].as_str().unwrap_or_default();
            Err(Failure::new(format!("WebDriver answered {error} to {asked}: {words}")))
        }
        None => Ok(value),
    }
}
