//! The tray on Linux: a `StatusNotifierItem` on the session bus, spoken by ksni. It lives in a task of its own, and
//! whatever is missing (the bus, the watcher, the panel) is waited for: no socket depends on it, and the window can
//! always be opened by a second start.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use heartwire_core::view::Snapshot;
use ksni::menu::{MenuItem, StandardItem, SubMenu};
use ksni::{Category, OfflineReason, Status, ToolTip, TrayMethods};
use tauri::AppHandle;
use tauri::image::Image;
use tokio::sync::{mpsc, watch};

use super::words::{Words, desktop_locale};
use super::{Action, Entry, Host, Icon, TrayModel};

/// The first pause before the bus is tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// See [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A bus or a panel that takes longer to answer is hung.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// The least time between two changes of what is shown.
const PACE: Duration = Duration::from_millis(250);

/// Starts the tray; it ends with the snapshots. What is clicked comes out of the channel, and whether there is a tray.
pub fn start(
    _: &AppHandle,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    clicks: mpsc::UnboundedSender<Action>,
    host: watch::Sender<Host>,
) {
    tauri::async_runtime::spawn(keep(snapshots, clicks, host));
}

/// How a stay on the bus ended.
enum Left {
    /// The snapshots ended: so does the tray.
    Done,
    /// The bus is not there, or went away.
    NoBus(String),
}

async fn keep(
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    clicks: mpsc::UnboundedSender<Action>,
    host: watch::Sender<Host>,
) {
    let locale = desktop_locale();
    let mut pause = FIRST_PAUSE;
    loop {
        let began = tokio::time::Instant::now();
        let left = stay(&mut snapshots, &clicks, &host, &locale).await;
        if began.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        Host::Missing.tell(&host);
        match left {
            Left::Done => return,
            Left::NoBus(why) if pause == FIRST_PAUSE => {
                tracing::warn!(%why, "there is no tray for now; `heartwire` once more opens the window");
            }
            Left::NoBus(why) => tracing::debug!(%why, "still no tray"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = ended(&mut snapshots) => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Shows the tray until the bus goes away.
async fn stay(
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
    clicks: &mpsc::UnboundedSender<Action>,
    host: &watch::Sender<Host>,
    locale: &str,
) -> Left {
    // ksni does not say when its bus dies; a connection of our own ends at the same time and does.
    let bus = match tokio::time::timeout(ANSWER_LIMIT, zbus::Connection::session()).await {
        Ok(Ok(bus)) => bus,
        Ok(Err(error)) => return Left::NoBus(format!("the session bus cannot be reached: {error}")),
        Err(_) => return Left::NoBus("the session bus does not answer".to_owned()),
    };
    let mut alive = zbus::MessageStream::from(&bus);
    let mut shown = model(snapshots, locale);
    let (watcher, mut news_of_watcher) = mpsc::unbounded_channel();
    let item = Item { model: shown.clone(), clicks: clicks.clone(), watcher }.assume_sni_available(true);
    let tray = match tokio::time::timeout(ANSWER_LIMIT, item.spawn()).await {
        Ok(Ok(tray)) => tray,
        Ok(Err(error)) => return Left::NoBus(error.to_string()),
        Err(_) => return Left::NoBus("the tray's watcher does not answer".to_owned()),
    };
    // That there is none has been said before this; that there is one is said only when it comes later.
    news_of_watcher.try_recv().unwrap_or(Host::There).tell(host);
    let left = loop {
        tokio::select! {
            Some(news) = news_of_watcher.recv() => {
                news.tell(host);
                continue;
            }
            message = alive.next() => match message {
                Some(Ok(_)) => continue,
                Some(Err(error)) => break Left::NoBus(format!("the session bus went away: {error}")),
                None => break Left::NoBus("the session bus went away".to_owned()),
            },
            changed = snapshots.changed() => if changed.is_err() {
                break Left::Done;
            },
        }
        let newest = model(snapshots, locale);
        if newest != shown {
            shown = newest.clone();
            // A hung panel must not hold this up for ever; the next change shows everything again.
            let update = tray.update(|item| item.model = newest);
            if tokio::time::timeout(ANSWER_LIMIT, update).await.is_err() {
                tracing::debug!("the tray's host does not answer");
            }
            tokio::time::sleep(PACE).await;
        }
    };
    let _ = tokio::time::timeout(PACE, tray.shutdown()).await;
    left
}

fn model(snapshots: &mut watch::Receiver<Arc<Snapshot>>, locale: &str) -> TrayModel {
    let snapshot = snapshots.borrow_and_update().clone();
    TrayModel::of(&snapshot, Words::of(snapshot.general.language, locale))
}

async fn ended(snapshots: &mut watch::Receiver<Arc<Snapshot>>) {
    while snapshots.changed().await.is_ok() {}
}

/// The item as ksni asks for it.
struct Item {
    model: TrayModel,
    clicks: mpsc::UnboundedSender<Action>,
    /// Whether there is a watcher, each time that changes.
    watcher: mpsc::UnboundedSender<Host>,
}

impl Item {
    fn click(&self, action: Action) {
        // The app is ending if nobody listens.
        let _ = self.clicks.send(action);
    }
}

impl ksni::Tray for Item {
    fn id(&self) -> String {
        "heartwire".to_owned()
    }

    fn title(&self) -> String {
        "Heartwire".to_owned()
    }

    fn category(&self) -> Category {
        Category::Communications
    }

    fn status(&self) -> Status {
        match self.model.icon {
            Icon::Blocked => Status::NeedsAttention,
            Icon::Connected | Icon::Waiting | Icon::Paused | Icon::Stopped => Status::Active,
        }
    }

    fn icon_pixmap(&self) -> Vec<ksni::Icon> {
        pixmaps(self.model.icon)
    }

    fn attention_icon_pixmap(&self) -> Vec<ksni::Icon> {
        pixmaps(Icon::Blocked)
    }

    fn tool_tip(&self) -> ToolTip {
        ToolTip {
            title: "Heartwire".to_owned(),
            description: without_markup(&self.model.summary),
            icon_name: String::new(),
            icon_pixmap: Vec::new(),
        }
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        self.model.menu.iter().map(menu_item).collect()
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        self.click(Action::Open(None));
    }

    fn watcher_online(&self) {
        tracing::info!("the tray's host is there");
        // Nobody listens once the tray has ended.
        let _ = self.watcher.send(Host::There);
    }

    fn watcher_offline(&self, reason: OfflineReason) -> bool {
        tracing::info!(?reason, "no tray host for now; `heartwire` once more opens the window");
        // See above.
        let _ = self.watcher.send(Host::Missing);
        true
    }
}

fn menu_item(entry: &Entry) -> MenuItem<Item> {
    match entry {
        Entry::Separator => MenuItem::Separator,
        Entry::Item { label, action } => {
            let enabled = action.is_some();
            let action = action.clone();
            let activate = move |item: &mut Item| {
                if let Some(action) = &action {
                    item.click(action.clone());
                }
            };
            StandardItem { label: literal(label), enabled, activate: Box::new(activate), ..StandardItem::default() }
                .into()
        }
        Entry::Submenu { label, entries } => {
            let submenu = entries.iter().map(menu_item).collect();
            SubMenu { label: literal(label), submenu, ..SubMenu::default() }.into()
        }
    }
}

/// An underscore marks an access key in a menu, two are one underscore.
fn literal(label: &str) -> String {
    label.replace('_', "__")
}

/// Some hosts render markup in tooltips and some do not, so escaping would show in the latter.
fn without_markup(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›").replace('&', "＆")
}

fn pixmaps(icon: Icon) -> Vec<ksni::Icon> {
    let images = match icon {
        Icon::Connected => [
            tauri::include_image!("../icons/tray/connected-22.png"),
            tauri::include_image!("../icons/tray/connected-32.png"),
            tauri::include_image!("../icons/tray/connected-48.png"),
        ],
        Icon::Waiting => [
            tauri::include_image!("../icons/tray/waiting-22.png"),
            tauri::include_image!("../icons/tray/waiting-32.png"),
            tauri::include_image!("../icons/tray/waiting-48.png"),
        ],
        Icon::Blocked => [
            tauri::include_image!("../icons/tray/blocked-22.png"),
            tauri::include_image!("../icons/tray/blocked-32.png"),
            tauri::include_image!("../icons/tray/blocked-48.png"),
        ],
        Icon::Paused => [
            tauri::include_image!("../icons/tray/paused-22.png"),
            tauri::include_image!("../icons/tray/paused-32.png"),
            tauri::include_image!("../icons/tray/paused-48.png"),
        ],
        Icon::Stopped => [
            tauri::include_image!("../icons/tray/stopped-22.png"),
            tauri::include_image!("../icons/tray/stopped-32.png"),
            tauri::include_image!("../icons/tray/stopped-48.png"),
        ],
    };
    images.iter().filter_map(argb).collect()
}

/// The pixels as the specification wants them: ARGB32 in network byte order.
fn argb(image: &Image<'_>) -> Option<ksni::Icon> {
    let pixels = image.rgba().chunks_exact(4);
    let data = pixels.flat_map(|pixel| [pixel[3], pixel[0], pixel[1], pixel[2]]).collect();
    Some(ksni::Icon { width: i32::try_from(image.width()).ok()?, height: i32::try_from(image.height()).ok()?, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_own_picture_in_three_sizes() {
        let icons = [Icon::Connected, Icon::Waiting, Icon::Blocked, Icon::Paused, Icon::Stopped];
        let pictures: Vec<_> = icons.into_iter().map(pixmaps).collect();
        for (index, picture) in pictures.iter().enumerate() {
            assert_eq!(picture.iter().map(|icon| icon.width).collect::<Vec<_>>(), [22, 32, 48]);
            assert!(picture.iter().all(|icon| icon.data.chunks_exact(4).any(|pixel| pixel[0] == 255)));
            assert!(pictures[..index].iter().all(|other| other[0].data != picture[0].data));
        }
    }

    #[test]
    fn pixels_are_in_argb_order() {
        let icon = argb(&Image::new(&[1, 2, 3, 4], 1, 1)).unwrap();
        assert_eq!(icon.data, [4, 1, 2, 3]);
    }

    #[test]
    fn names_cannot_set_access_keys_or_markup() {
        assert_eq!(literal("a_b__c"), "a__b____c");
        assert_eq!(without_markup("<b>&"), "‹b›＆");
    }
}
