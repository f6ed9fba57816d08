//! The app as a person meets it: window, popups, tray and command line on a private desktop.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use heartwire_core::view::LinkState::{Connected, Waiting};
use serde_json::json;
use xtask::command::say;
use xtask::desktop::Desktop;
use xtask::dirs;
use xtask::process::eventually;
use xtask::tray::{self, Item};
use xtask::webdriver::{Theme, Window};

use crate::resident::{Resident, command_line, descendants, descriptors, private_dirty};
use crate::server::{Library, SOON, Server};

#[test]
fn from_the_first_form_to_quit() {
    let desktop = Desktop::start().unwrap();
    let mut server = Server::start(Library::Websockets, "crm-heartbeat");
    let mut resident = Resident::start(&desktop, "");
    let item = tray_item(&desktop);

    let window = resident.drive_window(&desktop, Theme::Light);
    refuses_a_wrong_address(&window, &resident);
    adds_a_connection(&window, &server.url());
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    assert_eq!(server.wait_for("opened")["path"], "/wsCrm?jspCode=42");
    shows_state(&window, "Connected");
    let connected = tray_words(&item);

    server.send(r#"{"title":"Order 17","text":"shipped <b>today</b>"}"#);
    server.send("HeartBeat");
    shows_the_popup(&desktop);

    server.order(&json!({"do": "close", "code": 1011}));
    resident.wait_for_state(&desktop, "crm", Waiting, SOON);
    assert_ne!(tray_words(&item), connected, "the tray shows that the link is lost");
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    server.wait_for("opened");
    eventually("the tray to be as it was", SOON, || (tray_words(&item) == connected).then_some(())).unwrap();
    shows_the_outage(&window);
    save_views(&desktop, &window, "light");
    window.close();

    let dark = resident.drive_window(&desktop, Theme::Dark);
    shows_state(&dark, "Connected");
    save_views(&desktop, &dark, "dark");
    dark.close();
    eventually("WebDriver's window to be gone", SOON, || (!desktop.has_window("Heartwire")).then_some(())).unwrap();

    closing_the_window_gives_everything_back(&desktop, &resident);
    a_killed_window_leaves_the_sockets_alone(&desktop, &resident, &mut server);
    quits_with_1001_from_the_tray(&item, &mut resident, &mut server);
}

fn refuses_a_wrong_address(window: &Window, resident: &Resident) {
    window.find("nav-connections").unwrap().click().unwrap();
    window.find("add-connection").unwrap().click().unwrap();
    window.find("preset-crm-heartbeat").unwrap().click().unwrap();
    fill(window, "field-name", "crm");
    fill(window, "field-answers.server", "ftp://127.0.0.1/app");
    fill(window, "field-answers.user", "42");
    window.find("save").unwrap().click().unwrap();
    let error = window.find("error-answers.server").unwrap().text().unwrap();
    assert!(error.contains("http"), "the error says what is allowed: {error}");
    assert!(!resident.settings().contains("crm"), "nothing is saved: {}", resident.settings());
}

fn adds_a_connection(window: &Window, url: &str) {
    fill(window, "field-answers.server", url);
    window.find("save").unwrap().click().unwrap();
    // Saving leads back to the list of the settings.
    window.find("settings-edit-crm").unwrap();
    window.find("nav-connections").unwrap().click().unwrap();
    window.find("card-crm").unwrap();
}

fn shows_state(window: &Window, word: &str) {
    window.find("nav-connections").unwrap().click().unwrap();
    let shown = || window.find("state-crm").ok()?.text().ok()?.contains(word).then_some(());
    eventually(&format!("the card to say {word}"), SOON, shown).unwrap();
}

fn shows_the_popup(desktop: &Desktop) {
    let popup = || desktop.notifications().ok()?.into_iter().find(|popup| popup.summary.contains("Order 17"));
    let popup = eventually("the popup", SOON, popup).unwrap();
    assert_eq!(popup.appname, "Heartwire");
    assert!(popup.summary.contains("Order 17"), "{popup:?}");
    // dunst renders markup, so the server's must arrive escaped.
    assert!(popup.body.contains("&lt;b&gt;today&lt;/b&gt;"), "{popup:?}");
    // The heartbeat's answer came after the message.
    settle();
    let all = desktop.notifications().unwrap();
    assert_eq!(all.iter().filter(|popup| popup.summary.contains("Order 17")).count(), 1, "{all:#?}");
    assert!(!all.iter().any(|popup| popup.body.contains("HeartBeat")), "{all:#?}");
}

fn shows_the_outage(window: &Window) {
    window.find("nav-history").unwrap().click().unwrap();
    let row = window.find("history-row").unwrap().text().unwrap();
    assert!(row.contains("crm"), "{row}");
}

/// The window is opened by the app itself and closed with its title bar's button; the second start opens it again.
fn closing_the_window_gives_everything_back(desktop: &Desktop, resident: &Resident) {
    settle();
    let before = (private_dirty(resident.id()), descriptors(resident.id()));
    for _ in 0..2 {
        let (status, _) = resident.command(desktop, &["--window"]);
        assert!(status.success(), "the second start shows the window of the first: {status}");
        eventually("the window's process", SOON, || resident.windows().pop()).unwrap();
        eventually("the window", SOON, || desktop.has_window("Heartwire").then_some(())).unwrap();
        desktop.close_window("Heartwire").unwrap();
        eventually("the window's process to end", SOON, || resident.windows().is_empty().then_some(())).unwrap();
        let webkit = || descendants(resident.id()).iter().all(|id| !command_line(*id).contains("WebKit")).then_some(());
        eventually("WebKit to end", SOON, webkit).unwrap();
    }
    settle();
    let after = (private_dirty(resident.id()), descriptors(resident.id()));
    say(format_args!(
        "resident, (private dirty KiB, descriptors) before and after two windows: {before:?} -> {after:?}"
    ));
    assert!(after.0 <= before.0 + 3 * 1024, "private memory in KiB grew: {before:?} -> {after:?}");
    assert_eq!(after.1, before.1, "descriptors");
}

fn a_killed_window_leaves_the_sockets_alone(desktop: &Desktop, resident: &Resident, server: &mut Server) {
    let since = resident.wait_for_state(desktop, "crm", Connected, SOON).since_ms;
    let (status, _) = resident.command(desktop, &[]);
    assert!(status.success(), "a second start without arguments shows the window too: {status}");
    let id = eventually("the window's process", SOON, || resident.windows().pop()).unwrap();
    eventually("the window", SOON, || desktop.has_window("Heartwire").then_some(())).unwrap();
    let pid = rustix::process::Pid::from_raw(id.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("the window's process to be reaped", SOON, || resident.windows().is_empty().then_some(())).unwrap();
    server.send("after the kill");
    let popup = || desktop.notifications().ok()?.into_iter().find(|popup| popup.body.contains("after the kill"));
    eventually("a popup without a window", SOON, popup).unwrap();
    assert_eq!(resident.wait_for_state(desktop, "crm", Connected, SOON).since_ms, since, "it is the same socket");
}

fn quits_with_1001_from_the_tray(item: &Item, resident: &mut Resident, server: &mut Server) {
    let menu = item.menu().unwrap();
    assert!(tray::find(&menu, "crm").is_some(), "the menu shows the connection: {menu:#?}");
    let quit = tray::find(&menu, "Quit").unwrap();
    item.choose(quit).unwrap();
    let started = Instant::now();
    assert_eq!(server.wait_for("closed")["code"], 1001);
    let took = started.elapsed();
    assert!(took <= Duration::from_secs(1), "the socket was closed after {took:?}");
    let status = resident.process().wait(SOON).unwrap();
    assert!(status.success(), "{status}");
}

/// Saves a picture of each view under target/desktop-test, for whoever wants to look.
fn save_views(desktop: &Desktop, window: &Window, theme: &str) {
    for view in ["connections", "history", "settings"] {
        window.find(&format!("nav-{view}")).unwrap().click().unwrap();
        settle();
        let file = dirs::target().join(format!("desktop-test/window-{view}-{theme}.png"));
        desktop.screenshot(&file).unwrap();
        assert!(fs::metadata(&file).unwrap().len() > 0);
    }
}

fn fill(window: &Window, field: &str, text: &str) {
    let field = window.find(field).unwrap();
    field.clear().unwrap();
    field.type_text(text).unwrap();
}

pub fn tray_item(desktop: &Desktop) -> Item {
    let only = || {
        let mut items = desktop.tray().ok()?;
        (items.len() == 1).then(|| items.remove(0))
    };
    eventually("exactly one icon in the tray", SOON, only).unwrap()
}

/// Everything by which the tray tells one state from another.
fn tray_words(item: &Item) -> String {
    let icon = item.property("IconPixmap").map(|pixels| pixels.to_string()).unwrap_or_default();
    [item.text("Title"), item.text("IconName"), item.text("Status"), item.tooltip()]
        .into_iter()
        .map(Result::unwrap_or_default)
        .chain([icon])
        .collect::<Vec<_>>()
        .join("\n")
}

/// Lets what was just done come to rest: memory and pictures are read only then.
fn settle() {
    thread::sleep(Duration::from_millis(700));
}
