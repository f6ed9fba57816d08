//! Popups by the Desktop Notifications Specification over the session bus, whose address is read anew for each popup:
//! `DBUS_SESSION_BUS_ADDRESS`, else `$XDG_RUNTIME_DIR/bus`. Each popup has a bus connection of its own that ends with
//! it, so nothing is kept. Replacing or closing a popup from another connection than its own is fine by the
//! specification; GNOME Shell refuses it only while that one is on the bus (`_checkNotificationId` and `_untrackSender`
//! in its js/dbusServices).

use heartwire_core::text;
use notify_rust::{Hint, Urgency};
use zbus::message::Flags;
use zbus::{Connection, Message};

use super::super::{NotifierSettings, Popup};
use super::{Desktop, Failure, Service, Shown};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// Asks who would show a popup. Starts the service if the bus knows how.
pub(in super::super) async fn describe() -> Result<Desktop, Failure> {
    let bus = Connection::session().await.map_err(|error| {
        Failure::Absent(format!("there is no session bus for notifications ({}); start one", brief(&error)))
    })?;
    let absent = |error: zbus::Error| {
        Failure::Absent(format!("no notification service answers ({}); start or install one", brief(&error)))
    };
    let capabilities = bus.call_method(Some(NAME), PATH, Some(NAME), "GetCapabilities", &()).await.map_err(absent)?;
    let capabilities: Vec<String> = capabilities.body().deserialize().map_err(absent)?;
    let information =
        bus.call_method(Some(NAME), PATH, Some(NAME), "GetServerInformation", &()).await.map_err(absent)?;
    let name = information.header().sender().map(ToString::to_string).unwrap_or_default();
    let service = Service { bus: bus.server_guid().to_string(), name };
    let information: (String, String, String, String) = information.body().deserialize().map_err(absent)?;
    Ok(Desktop {
        renders_markup: capabilities.iter().any(|capability| capability == "body-markup"),
        withdraws_with_sender: information.0 == "gnome-shell",
        service,
    })
}

/// Shows a popup, in the place of another one of this desktop if there is one, and waits for the answer.
pub(in super::super) async fn show(
    settings: &NotifierSettings,
    desktop: &Desktop,
    popup: &Popup,
    replaces: Option<u32>,
) -> Result<Option<Shown>, Failure> {
    let mut notification = super::notification(settings, desktop, popup);
    notification.urgency(urgency(popup.priority)).hint(Hint::Category("im.received".to_owned()));
    // GNOME Shell 46 and later takes back the popups of an application it knows when the sender leaves the bus, which
    // is at once here; of one it does not know it leaves them (FdoNotificationDaemonSource in notificationDaemon.js).
    if !desktop.withdraws_with_sender {
        notification.hint(Hint::DesktopEntry("heartwire".to_owned()));
    }
    if let Some(id) = replaces {
        notification.id(id);
    }
    // The handle holds a bus connection and is dropped.
    let handle = notification
        .show_async()
        .await
        .map_err(|error| Failure::Refused(format!("the desktop's notification service refused: {}", brief(&error))))?;
    Ok(Some(Shown { service: desktop.service.clone(), id: handle.id() }))
}

/// Closes popups. Their service gets the word also if it hangs now; an answer could only be that one is closed already.
pub(in super::super) async fn close(popups: &[Shown]) {
    if let Err(error) = try_close(popups).await {
        tracing::debug!(error = brief(&error), "popups could not be closed");
    }
}

async fn try_close(popups: &[Shown]) -> zbus::Result<()> {
    let bus = Connection::session().await?;
    for shown in popups {
        let close = Message::method_call(PATH, "CloseNotification")?
            .destination(shown.service.name.as_str())?
            .interface(NAME)?
            .with_flags(Flags::NoReplyExpected)?
            .build(&shown.id)?;
        bus.send(&close).await?;
    }
    Ok(())
}

/// An error as part of a sentence; the service's own words may be long.
fn brief(error: &dyn std::error::Error) -> String {
    text::one_line(&error.to_string(), 200)
}

fn urgency(priority: u8) -> Urgency {
    match priority {
        0..=2 => Urgency::Low,
        3 | 4 => Urgency::Normal,
        _ => Urgency::Critical,
    }
}
