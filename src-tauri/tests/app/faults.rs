//! What surrounds the app fails, and the app goes on: the notification daemon, the panel, the app itself.

use heartwire_core::view::LinkState::Connected;
use heartwire_core::view::ProblemKind;
use xtask::desktop::Desktop;
use xtask::process::eventually;
use xtask::tray;

use crate::desktop::tray_item;
use crate::resident::Resident;
use crate::server::{Library, SOON, Server};

pub fn settings(server: &Server) -> String {
    format!(
        "[[connections]]\nname = \"crm\"\npreset = \"crm-heartbeat\"\nurl = \"{}/wsCrm?jspCode=42\"\n",
        server.url()
    )
}

#[test]
fn a_crash_of_the_app_loses_no_message_that_came() {
    let desktop = Desktop::start().unwrap();
    let mut server = Server::start(Library::Websockets, "crm-heartbeat");
    let mut resident = Resident::start(&desktop, &settings(&server));
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    server.wait_for("opened");
    for number in 0..20 {
        server.send(&format!("message {number}"));
    }
    let all_came = || (resident.status(&desktop).messages.len() == 20).then_some(());
    eventually("all messages", SOON, all_came).unwrap();
    resident.crash_and_start(&desktop);
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    let bodies: Vec<_> = resident.status(&desktop).messages.into_iter().rev().map(|message| message.body).collect();
    assert_eq!(bodies, (0..20).map(|number| format!("message {number}")).collect::<Vec<_>>());
}

#[test]
fn a_crash_of_the_app_loses_no_popup_that_was_owed() {
    let desktop = Desktop::start().unwrap();
    let mut server = Server::start(Library::Websockets, "crm-heartbeat");
    desktop.freeze_notifications(true).unwrap();
    let mut resident = Resident::start(&desktop, &settings(&server));
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    server.wait_for("opened");
    for number in 0..12 {
        server.send(&format!("owed {number}"));
    }
    let all_came = || (resident.status(&desktop).messages.len() == 12).then_some(());
    eventually("all messages", SOON, all_came).unwrap();
    resident.crash_and_start(&desktop);
    desktop.freeze_notifications(false).unwrap();
    // The oldest are shown one by one, the rest is told in one popup.
    let told = || {
        let popups = desktop.notifications().ok()?;
        let single = |number: usize| popups.iter().any(|popup| popup.body == format!("owed {number}"));
        let rest = popups.iter().any(|popup| popup.summary.contains("7 more messages"));
        ((0..5).all(single) && rest).then_some(())
    };
    eventually("every message in a popup", SOON, told)
        .unwrap_or_else(|failure| panic!("{failure}: {:#?}", desktop.notifications()));
    // What was told is not owed any more.
    let before = desktop.notifications().unwrap().len();
    resident.crash_and_start(&desktop);
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    server.send("after both crashes");
    let newest = || desktop.notifications().ok()?.iter().any(|popup| popup.body == "after both crashes").then_some(());
    eventually("the newest popup", SOON, newest).unwrap();
    assert_eq!(desktop.notifications().unwrap().len(), before + 1, "{:#?}", desktop.notifications());
}

#[test]
fn without_a_notification_daemon_messages_are_kept_and_popups_return_with_it() {
    let mut desktop = Desktop::start().unwrap();
    let mut server = Server::start(Library::Websockets, "crm-heartbeat");
    desktop.stop_notifications();
    let resident = Resident::start(&desktop, &settings(&server));
    let since = resident.wait_for_state(&desktop, "crm", Connected, SOON).since_ms;
    server.wait_for("opened");
    server.send("while nobody shows it");
    let kept =
        || resident.status(&desktop).messages.iter().any(|row| row.body == "while nobody shows it").then_some(());
    eventually("the message in the history", SOON, kept).unwrap();
    desktop.start_notifications().unwrap();
    let shown = || {
        server.send("is anybody there");
        desktop.notifications().ok()?.iter().any(|popup| popup.body.contains("is anybody there")).then_some(())
    };
    eventually("a popup once there is a daemon again", SOON, shown).unwrap();
    assert_eq!(resident.wait_for_state(&desktop, "crm", Connected, SOON).since_ms, since, "the socket never noticed");
}

#[test]
fn the_window_is_told_that_there_is_no_tray_as_long_as_there_is_none() {
    let mut desktop = Desktop::start().unwrap();
    desktop.stop_panel().unwrap();
    let resident = Resident::start(&desktop, "");
    let told = |desktop: &Desktop, missing: bool| {
        let look = || {
            let problems = resident.status(desktop).problems;
            let tray = problems.into_iter().find(|problem| problem.kind == ProblemKind::Tray);
            (tray.is_some() == missing).then_some(tray)
        };
        eventually(&format!("missing: {missing}"), SOON, look).unwrap()
    };
    let words = told(&desktop, true).unwrap().message;
    assert!(words.contains("start Heartwire again"), "{words}");
    desktop.restart_panel().unwrap();
    tray_item(&desktop);
    assert_eq!(told(&desktop, false), None);
}

#[test]
fn the_icon_comes_back_with_a_restarted_panel() {
    let mut desktop = Desktop::start().unwrap();
    let server = Server::start(Library::Websockets, "crm-heartbeat");
    let resident = Resident::start(&desktop, &settings(&server));
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    tray_item(&desktop);
    for _ in 0..3 {
        desktop.restart_panel().unwrap();
        let menu = tray_item(&desktop).menu().unwrap();
        assert!(tray::find(&menu, "crm").is_some(), "{menu:#?}");
    }
}
