//! Popups on Windows and macOS, whose services take text literally and answer at once.

use notify_rust::Notification;

use super::super::{NotifierSettings, Popup};
use super::{Desktop, Failure, safe_texts};

#[expect(clippy::unused_async, reason = "the same signature on every desktop")]
pub(in super::super) async fn describe() -> Result<Desktop, Failure> {
    Ok(Desktop { renders_markup: false, withdraws_with_sender: false })
}

pub(in super::super) async fn show(
    settings: &NotifierSettings,
    desktop: &Desktop,
    popup: &Popup,
) -> Result<(), Failure> {
    let (title, body) = safe_texts(desktop, popup);
    let mut notification = Notification::new();
    notification.appname(&settings.app_name).summary(&title).body(&body);
    if let Some(icon) = &settings.icon {
        notification.icon(icon);
    }
    // A blocking call; it gets a thread that may wait.
    let shown = tokio::task::spawn_blocking(move || notification.show().map(drop)).await;
    match shown {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::Refused(error.to_string())),
        Err(error) => Err(Failure::Refused(error.to_string())),
    }
}
