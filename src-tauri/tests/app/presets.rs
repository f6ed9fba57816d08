//! The classic recipe's three presets, each against a server written with somebody else's library.

use std::time::Duration;

use heartwire_core::listen::Event;
use heartwire_core::view::LinkState::{Connected, Connecting, Waiting};
use rustix::process::Signal;
use serde_json::json;
use xtask::command::say;
use xtask::desktop::Desktop;
use xtask::process::eventually;

use crate::listen::Listen;
use crate::resident::Resident;
use crate::server::{Library, SOON, Server};

/// Short times, so that a test takes seconds; the presets' own are tested below and in core.
const EVERY: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_millis(400);
/// How late a dead link may be noticed (link-invariants, 1).
const GRACE: Duration = Duration::from_millis(50);
/// The times of the lines are rounded to milliseconds.
const ROUNDING: Duration = Duration::from_millis(1);
/// How late on a machine that is busy with something else. One of a few rounds must be within [`GRACE`].
const BUSY: Duration = Duration::from_secs(3);

struct Preset {
    id: &'static str,
    path: &'static str,
    heartbeat: &'static str,
    /// An answer to a heartbeat, which is never a message.
    reply: &'static str,
    on_open: Option<&'static str>,
    /// Its own delay before the next dial, in milliseconds.
    reconnect_ms: u64,
}

const ECHO: Preset = Preset {
    id: "heartbeat-echo",
    path: "/socket",
    heartbeat: "检测",
    reply: "检测",
    on_open: None,
    reconnect_ms: 3_000,
};
const CRM: Preset = Preset {
    id: "crm-heartbeat",
    path: "/wsCrm?jspCode=42",
    heartbeat: "HeartBeat",
    reply: "HeartBeat",
    on_open: None,
    reconnect_ms: 4_000,
};
const HEART: Preset = Preset {
    id: "json-heart",
    path: "/push",
    heartbeat: r#"{"heart":1}"#,
    reply: r#"{"type":"pong"}"#,
    on_open: Some(r#"{"id":"a1b2c3"}"#),
    reconnect_ms: 60_000,
};

impl Preset {
    /// The configuration of a connection "feed" from this preset, with the preset's own times.
    fn config(&self, url: &str) -> String {
        self.config_with("1s", url)
    }

    fn config_with(&self, connect_timeout: &str, url: &str) -> String {
        let on_open = self.on_open.map(|frame| format!("on_open = ['{frame}']\n")).unwrap_or_default();
        let (id, path) = (self.id, self.path);
        format!(
            "[[connections]]\nname = \"feed\"\npreset = \"{id}\"\nurl = \"{url}{path}\"\nconnect_timeout = \"{connect_timeout}\"\n{on_open}"
        )
    }

    /// The same with short times.
    fn quick_config(&self, url: &str) -> String {
        self.config(url) + &quick_times(TIMEOUT)
    }

    /// The same for a link that must not be lost, however busy the machine is.
    fn patient_config(&self, url: &str) -> String {
        self.config_with("20s", url) + &quick_times(SOON)
    }
}

fn quick_times(timeout: Duration) -> String {
    let (every, timeout) = (EVERY.as_millis(), timeout.as_millis());
    format!(
        "[connections.heartbeat]\nevery = \"{every}ms\"\ntimeout = \"{timeout}ms\"\n[connections.reconnect]\nfixed = \"300ms\"\n"
    )
}

#[test]
fn heartbeat_echo_carries_messages_against_websockets() {
    check_messages(&ECHO, Library::Websockets);
}

#[test]
fn crm_heartbeat_carries_messages_against_websockets() {
    check_messages(&CRM, Library::Websockets);
}

#[test]
fn json_heart_carries_messages_against_websockets() {
    check_messages(&HEART, Library::Websockets);
}

#[test]
fn each_preset_carries_messages_against_ws() {
    for preset in [ECHO, CRM, HEART] {
        check_messages(&preset, Library::Ws);
    }
}

/// Messages become popups of a real daemon; the answers to heartbeats, which come all the time, do not.
#[test]
fn each_presets_messages_are_popups_and_its_heartbeats_are_not() {
    let desktop = Desktop::start().unwrap();
    for (before, preset) in [ECHO, CRM, HEART].into_iter().enumerate() {
        let mut server = Server::start(Library::Websockets, preset.id);
        let often = "[connections.heartbeat]\nevery = \"100ms\"\n";
        let resident = Resident::start(&desktop, &(preset.config(&server.url()) + often));
        resident.wait_for_state(&desktop, "feed", Connected, SOON);
        server.wait_for("opened");
        let title = format!("for {}", preset.id);
        let answered = || resident.status(&desktop).connections[0].heartbeat.map(drop);
        eventually("an answered heartbeat", SOON, answered).unwrap();
        server.send(&json!({ "title": title, "text": "hello" }).to_string());
        let shown = || desktop.notifications().ok()?.into_iter().find(|popup| popup.summary == title);
        assert_eq!(eventually("the popup", SOON, shown).unwrap().body, "hello");
        // A popup may be seen a moment before the snapshot with its message.
        let kept = || Some(resident.status(&desktop).messages.len()).filter(|kept| *kept > before);
        assert_eq!(eventually("the message", SOON, kept).unwrap(), before + 1, "nothing else became a message");
    }
    let all = desktop.notifications().unwrap();
    assert_eq!(all.len(), 3, "one popup each: {all:#?}");
}

#[test]
fn heartbeat_echo_notices_a_stopped_server_and_comes_back() {
    check_stopped_server(&ECHO, Library::Websockets);
}

#[test]
fn crm_heartbeat_notices_a_stopped_server_and_comes_back() {
    check_stopped_server(&CRM, Library::Websockets);
}

#[test]
fn json_heart_notices_a_stopped_server_and_comes_back() {
    check_stopped_server(&HEART, Library::Websockets);
}

#[test]
fn crm_heartbeat_notices_a_stopped_server_of_ws_and_comes_back() {
    check_stopped_server(&CRM, Library::Ws);
}

#[test]
fn crm_heartbeat_with_its_own_times_notices_a_stopped_server_after_ten_seconds() {
    let mut server = Server::start(Library::Websockets, CRM.id);
    let mut listen = Listen::start(&CRM.config(&server.url()));
    listen.wait_for_state(Connected, SOON);
    server.wait_for("opened");
    server.send("before");
    listen.wait_for_message("before", SOON);
    server.freeze();
    let dead = listen.wait_for_state(Waiting, SOON);
    let silence = dead.duration_since(listen.last_life()).unsigned_abs();
    let due = Duration::from_secs(10);
    assert!(silence + ROUNDING >= due && silence <= due + BUSY, "noticed after {silence:?}");
    say(format_args!("crm-heartbeat with its own 5 s + 5 s: a stopped server noticed after {silence:?}"));
    server.thaw();
    listen.wait_for_state(Connected, SOON);
}

#[test]
fn a_server_that_crashes_and_starts_again_is_found_again() {
    for preset in [ECHO, CRM, HEART] {
        let mut server = Server::start(Library::Websockets, preset.id);
        let mut listen = Listen::start(&preset.quick_config(&server.url()));
        listen.wait_for_state(Connected, SOON);
        server.restart();
        listen.wait_for_state(Waiting, SOON);
        listen.wait_for_state(Connected, SOON);
        server.wait_for("opened");
        if let Some(frame) = preset.on_open {
            assert_eq!(server.received(), frame, "the opening frame is sent after each opening");
        }
        server.send("after the crash");
        listen.wait_for_message("after the crash", SOON);
    }
}

#[test]
fn each_preset_waits_its_own_delay_spread_by_a_tenth() {
    // Nobody listens there: the port was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for preset in [ECHO, CRM, HEART] {
        let mut listen = Listen::start(&preset.config(&format!("http://127.0.0.1:{port}")));
        let (attempt, retry, code) = listen.wait_for("a scheduled retry", SOON, |event| match event {
            Event::State { state: Waiting, attempt, retry_in_ms, cause, .. } => {
                Some((*attempt, retry_in_ms.unwrap(), cause.clone().unwrap().code))
            }
            _ => None,
        });
        assert_eq!((attempt, code.as_str()), (Some(1), "refused"), "{}", preset.id);
        let tenth = preset.reconnect_ms / 10;
        let spread = preset.reconnect_ms - tenth..=preset.reconnect_ms + tenth;
        assert!(spread.contains(&retry), "{}: {retry} ms is not in {spread:?}", preset.id);
    }
}

#[test]
fn a_binary_frame_and_hostile_text_do_no_harm() {
    let mut server = Server::start(Library::Websockets, CRM.id);
    let mut listen = Listen::start(&CRM.patient_config(&server.url()));
    listen.wait_for_state(Connected, SOON);
    server.wait_for("opened");
    server.order(&json!({"do": "send-binary", "bytes": 3}));
    server.send("<b>bold</b> \u{202e}gnp.exe\u{0} end");
    server.send(&"x".repeat(900_000));
    server.send("still here");
    listen.wait_for_message("still here", SOON);
    let bodies: Vec<_> = listen.messages().iter().map(|(_, body)| *body).collect();
    let [_, hostile, long, _] = bodies[..] else { panic!("four messages, not {bodies:?}") };
    assert!(hostile.contains("bold") && hostile.contains("end"), "{hostile:?}");
    assert!(!hostile.contains(['\0', '\u{202e}']), "{hostile:?}");
    assert!(long.chars().count() < 900_000, "the text is capped");
    assert!(!listen.seen.iter().any(|event| matches!(event, Event::State { state: Waiting, .. })), "{:?}", listen.seen);
}

#[test]
fn ending_listen_closes_the_socket_as_going_away() {
    let mut server = Server::start(Library::Websockets, CRM.id);
    let mut listen = Listen::start(&CRM.patient_config(&server.url()));
    listen.wait_for_state(Connected, SOON);
    server.wait_for("opened");
    listen.process().signal(Signal::TERM).unwrap();
    assert_eq!(server.wait_for("closed")["code"], 1001);
    let status = listen.process().wait(SOON).unwrap();
    assert!(status.success(), "{status}");
}

/// Opens, beats, delivers what the server sends and nothing else, and says so in the promised lines.
fn check_messages(preset: &Preset, library: Library) {
    let mut server = Server::start(library, preset.id);
    let mut listen = Listen::start(&preset.patient_config(&server.url()));
    listen.wait_for_state(Connecting, SOON);
    listen.wait_for_state(Connected, SOON);
    assert_eq!(server.wait_for("opened")["path"], preset.path);
    if let Some(frame) = preset.on_open {
        assert_eq!(server.received(), frame);
    }
    // Nothing else is sent while idle: the next frame is the heartbeat, and it is answered.
    assert_eq!(server.received(), preset.heartbeat);
    listen.wait_for_heartbeat(SOON);
    server.send("hello");
    server.send(preset.reply);
    server.send(r#"{"title":"Deployment","text":"finished","id":"m1"}"#);
    listen.wait_for_message("finished", SOON);
    listen.wait_for_heartbeat(SOON);
    // Contains the heartbeat's word, but is no answer to one.
    let near = format!("about {}", preset.heartbeat);
    server.send(&near);
    listen.wait_for_message(&near, SOON);
    let expected = [("feed", "hello"), ("Deployment", "finished"), ("feed", near.as_str())];
    assert_eq!(listen.messages(), expected, "{} against {library:?}", preset.id);
    check_lines(&listen.seen, preset.id);
}

/// What holds of all lines: one name, rising times, attempts only where promised.
fn check_lines(seen: &[Event], preset: &str) {
    let mut last = None;
    for event in seen {
        let (at, connection) = match event {
            Event::State { at, connection, .. }
            | Event::Heartbeat { at, connection, .. }
            | Event::Message { at, connection, .. }
            | Event::Withdrawn { at, connection, .. }
            | Event::Gap { at, connection, .. } => (*at, connection),
        };
        assert_eq!(connection, "feed", "{preset}");
        assert!(last <= Some(at), "{preset}: times fall at {event:?}");
        last = Some(at);
    }
    let states: Vec<_> = seen
        .iter()
        .filter_map(|event| match event {
            Event::State { state, attempt, .. } => Some((*state, *attempt)),
            _ => None,
        })
        .collect();
    assert_eq!(states, [(Connecting, Some(1)), (Connected, None)], "{preset}");
}

/// Stops the server a few times: each time the silence is noticed, never early, and the link comes back.
fn check_stopped_server(preset: &Preset, library: Library) {
    let mut server = Server::start(library, preset.id);
    let mut listen = Listen::start(&preset.quick_config(&server.url()));
    let mut lateness = Vec::new();
    for round in 0..3 {
        listen.wait_for_state(Connected, SOON);
        // After a stop the server first meets dials that were given up meanwhile. An answer proves that it knows this one.
        listen.wait_for_heartbeat(SOON);
        let text = format!("round {round}");
        server.send(&text);
        listen.wait_for_message(&text, SOON);
        server.freeze();
        let (dead, cause) = listen.wait_for("the dead link", SOON, |event| match event {
            Event::State { at, state: Waiting, cause, .. } => Some((*at, cause.clone().unwrap())),
            _ => None,
        });
        assert_eq!(cause.code, "heartbeat-timeout", "{}: {}", preset.id, cause.text);
        let silence = dead.duration_since(listen.last_life()).unsigned_abs();
        let due = EVERY + TIMEOUT;
        assert!(silence + ROUNDING >= due, "{}: declared dead after {silence:?}, before {due:?}", preset.id);
        lateness.push(silence.saturating_sub(due));
        server.thaw();
    }
    listen.wait_for_state(Connected, SOON);
    say(format_args!("{} against {library:?}: a stopped server noticed late by {lateness:?}", preset.id));
    assert!(lateness.iter().all(|late| *late <= BUSY), "{lateness:?}");
    assert!(lateness.iter().any(|late| *late <= GRACE + ROUNDING), "{lateness:?}");
}
