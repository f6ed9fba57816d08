//! Popups on Windows and macOS, whose services take text literally and answer at once. notify-rust cannot take a popup
//! back or replace it there (its toasts get no tag, its `NSUserNotification`s no identifier): what a server withdrew stays
//! until the person closes it, and a newer popup of the same key stands beside the older one.

use super::super::{NotifierSettings, Popup};
use super::{Desktop, Failure, Service, Shown};

#[expect(clippy::unused_async, reason = "the same signature on every desktop")]
pub(in super::super) async fn describe() -> Result<Desktop, Failure> {
    Ok(Desktop { renders_markup: false, withdraws_with_sender: false, service: Service::default() })
}

pub(in super::super) async fn show(
    settings: &NotifierSettings,
    desktop: &Desktop,
    popup: &Popup,
    _replaces: Option<u32>,
) -> Result<Option<Shown>, Failure> {
    let notification = super::notification(settings, desktop, popup);
    // A blocking call; it gets a thread that may wait.
    let shown = tokio::task::spawn_blocking(move || notification.show().map(drop)).await;
    match shown {
        Ok(Ok(())) => Ok(None),
        Ok(Err(error)) => Err(Failure::Refused(error.to_string())),
        Err(error) => Err(Failure::Refused(error.to_string())),
    }
}

/// Never called: no popup has an id here.
#[expect(clippy::unused_async, reason = "the same signature on every desktop")]
pub(in super::super) async fn close(_popups: &[Shown]) {}
