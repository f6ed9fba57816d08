//! The tray where there is no `StatusNotifierItem` (Windows, macOS): Tauri's own tray icon. Not used on Linux, where it
//! has neither clicks nor a tooltip.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use heartwire_core::view::Snapshot;
use tauri::image::Image;
use tauri::menu::{Menu, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Wry};
use tokio::sync::{mpsc, watch};

use super::words::{Words, desktop_locale};
use super::{Action, Entry, Host, Icon, TrayModel};

/// The least time between two changes of what is shown.
const PACE: Duration = Duration::from_millis(250);

/// What a click on which item does; Tauri's menus know their items by text ids.
type Actions = Arc<Mutex<HashMap<String, Action>>>;

/// Starts the tray; it ends with the snapshots. What is clicked comes out of the channel.
pub fn start(
    app: &AppHandle,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    clicks: mpsc::UnboundedSender<Action>,
    host: watch::Sender<Host>,
) {
    tauri::async_runtime::spawn(keep(app.clone(), snapshots, clicks, host));
}

async fn keep(
    app: AppHandle,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    clicks: mpsc::UnboundedSender<Action>,
    host: watch::Sender<Host>,
) {
    let actions = Actions::default();
    let mut shown = model(&mut snapshots);
    let tray = match build(&app, &shown, &actions, clicks) {
        Ok(tray) => tray,
        Err(error) => {
            tracing::warn!(%error, "there is no tray; `heartwire` once more opens the window");
            Host::Missing.tell(&host);
            return;
        }
    };
    Host::There.tell(&host);
    while snapshots.changed().await.is_ok() {
        let newest = model(&mut snapshots);
        if newest != shown {
            if let Err(error) = show(&app, &tray, &newest, &actions) {
                tracing::warn!(%error, "the tray could not be changed");
            }
            shown = newest;
            tokio::time::sleep(PACE).await;
        }
    }
}

fn model(snapshots: &mut watch::Receiver<Arc<Snapshot>>) -> TrayModel {
    let snapshot = snapshots.borrow_and_update().clone();
    TrayModel::of(&snapshot, Words::of(snapshot.general.language, &desktop_locale()))
}

fn build(
    app: &AppHandle,
    model: &TrayModel,
    actions: &Actions,
    clicks: mpsc::UnboundedSender<Action>,
) -> tauri::Result<TrayIcon> {
    let chosen = actions.clone();
    let from_menu = clicks.clone();
    let tray = TrayIconBuilder::with_id("heartwire")
        .show_menu_on_left_click(false)
        .on_menu_event(move |_, event| {
            let action = chosen.lock().unwrap_or_else(PoisonError::into_inner).get(event.id().as_ref()).cloned();
            // The app is ending if nobody listens; an id of an older menu has no action any more.
            let _ = action.map(|action| from_menu.send(action));
        })
        .on_tray_icon_event(move |_, event| {
            if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } = event {
                let _ = clicks.send(Action::Open(None));
            }
        })
        .build(app)?;
    show(app, &tray, model, actions)?;
    Ok(tray)
}

fn show(app: &AppHandle, tray: &TrayIcon, model: &TrayModel, actions: &Actions) -> tauri::Result<()> {
    tray.set_icon(Some(picture(model.icon)))?;
    tray.set_tooltip(Some(format!("Heartwire: {}", model.summary)))?;
    let menu = Menu::new(app)?;
    let mut known = HashMap::new();
    for entry in &model.menu {
        match entry {
            Entry::Separator => menu.append(&PredefinedMenuItem::separator(app)?)?,
            Entry::Item { label, action } => menu.append(&item(app, label, action.as_ref(), &mut known)?)?,
            Entry::Submenu { label, entries } => {
                let submenu = Submenu::new(app, literal(label), true)?;
                for entry in entries {
                    if let Entry::Item { label, action } = entry {
                        submenu.append(&item(app, label, action.as_ref(), &mut known)?)?;
                    }
                }
                menu.append(&submenu)?;
            }
        }
    }
    *actions.lock().unwrap_or_else(PoisonError::into_inner) = known;
    tray.set_menu(Some(menu))
}

fn item(
    app: &AppHandle,
    label: &str,
    action: Option<&Action>,
    known: &mut HashMap<String, Action>,
) -> tauri::Result<MenuItem<Wry>> {
    let item = MenuItem::new(app, literal(label), action.is_some(), None::<&str>)?;
    if let Some(action) = action {
        known.insert(item.id().as_ref().to_owned(), action.clone());
    }
    Ok(item)
}

/// An ampersand marks an access key in a menu, two are one ampersand.
fn literal(label: &str) -> String {
    label.replace('&', "&&")
}

fn picture(icon: Icon) -> Image<'static> {
    match icon {
        Icon::Connected => tauri::include_image!("../icons/tray/connected-32.png"),
        Icon::Waiting => tauri::include_image!("../icons/tray/waiting-32.png"),
        Icon::Blocked => tauri::include_image!("../icons/tray/blocked-32.png"),
        Icon::Paused => tauri::include_image!("../icons/tray/paused-32.png"),
        Icon::Stopped => tauri::include_image!("../icons/tray/stopped-32.png"),
    }
}
