//! The tray of a real panel, clicked and chosen from.

use heartwire_core::view::LinkState::{Connected, Paused};
use xtask::desktop::Desktop;
use xtask::process::eventually;
use xtask::tray::{Item, find};

use crate::desktop::tray_item;
use crate::faults::settings;
use crate::resident::Resident;
use crate::server::{Library, SOON, Server};

#[test]
fn a_click_opens_the_window_and_the_menu_pauses_resumes_and_reconnects() {
    let desktop = Desktop::start().unwrap();
    let mut server = Server::start(Library::Websockets, "crm-heartbeat");
    let resident = Resident::start(&desktop, &settings(&server));
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    server.wait_for("opened");
    let item = tray_item(&desktop);

    item.activate().unwrap();
    eventually("the window", SOON, || desktop.has_window("Heartwire").then_some(())).unwrap();
    desktop.close_window("Heartwire").unwrap();
    eventually("the window to end", SOON, || resident.windows().is_empty().then_some(())).unwrap();

    choose(&item, "Pause all");
    assert_eq!(server.wait_for("closed")["code"], 1000);
    resident.wait_for_state(&desktop, "crm", Paused, SOON);
    choose(&item, "Resume all");
    server.wait_for("opened");
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    choose(&item, "Reconnect now");
    assert_eq!(server.wait_for("closed")["code"], 1000);
    server.wait_for("opened");

    choose(&item, "Settings…");
    eventually("the window", SOON, || desktop.has_window("Heartwire").then_some(())).unwrap();
}

/// Chooses an entry once the menu has it.
fn choose(item: &Item, label: &str) {
    let menu = || item.menu().ok().filter(|menu| find(menu, label).is_some());
    let menu = eventually(&format!("{label} in the menu"), SOON, menu).unwrap();
    item.choose(find(&menu, label).unwrap()).unwrap();
}
