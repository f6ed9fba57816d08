//! The desktop as a place for popups: what it is, and handing it one.

#[cfg(all(unix, not(target_os = "macos")))]
mod freedesktop;
#[cfg(not(all(unix, not(target_os = "macos"))))]
mod other;

#[cfg(all(unix, not(target_os = "macos")))]
pub(super) use freedesktop::{close, describe, show};
#[cfg(not(all(unix, not(target_os = "macos"))))]
pub(super) use other::{close, describe, show};

use heartwire_core::text;
use notify_rust::Notification;

use super::{NotifierSettings, Popup};

/// The most characters of a title.
const TITLE: usize = 120;
/// The most characters of a body.
const BODY: usize = 1_000;

/// Why a popup was not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is nobody to show it: nothing was handed over.
    Absent(String),
    /// It was handed over and nothing came back; it may be shown later.
    Unanswered(String),
    /// It was handed over and refused.
    Refused(String),
}

impl Failure {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Absent(reason) | Self::Unanswered(reason) | Self::Refused(reason) => reason,
        }
    }
}

/// What matters about the desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Desktop {
    /// It renders markup in bodies, so text has to be escaped.
    renders_markup: bool,
    /// It withdraws the popups of an application as soon as the sender's bus connection ends.
    withdraws_with_sender: bool,
    /// Which one it is.
    pub(super) service: Service,
}

/// One run of a notification service; the ids of its popups mean nothing to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Service {
    /// The bus it is on: the names on another one are others'.
    bus: String,
    /// Its name on that bus, which no later one gets.
    name: String,
}

#[cfg(test)]
impl Service {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// A popup that was shown, as its service knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(unix, not(target_os = "macos"))),
    allow(dead_code, reason = "a popup of the other desktops has no id")
)]
pub(super) struct Shown {
    pub(super) service: Service,
    pub(super) id: u32,
}

/// A popup with what every desktop understands.
fn notification(settings: &NotifierSettings, desktop: &Desktop, popup: &Popup) -> Notification {
    let (title, body) = safe_texts(desktop, popup);
    let mut notification = Notification::new();
    notification.appname(&settings.app_name).summary(&title).body(&body);
    if let Some(icon) = &settings.icon {
        notification.icon(icon);
    }
    notification
}

/// The title and body as this desktop will show them literally.
fn safe_texts(desktop: &Desktop, popup: &Popup) -> (String, String) {
    let title = text::one_line(&popup.title, TITLE);
    let title = if title.is_empty() { text::one_line(&popup.connection, TITLE) } else { title };
    let body = text::lines(&popup.body, BODY);
    (title, if desktop.renders_markup { text::escape_markup(&body) } else { body })
}
