//! Popups on Windows and macOS, whose services take text literally and answer at once.

use super::super::{NotifierSettings, Popup};
use super::{Desktop, Failure};

#[expect(clippy::unused_async, reason = "the same signature on every desktop")]
pub(in super::super) async fn describe() -> Result<Desktop, Failure> {
    Ok(Desktop { renders_markup: false, withdraws_with_sender: false })
}

pub(in super::super) async fn show(
    settings: &NotifierSettings,
    desktop: &Desktop,
    popup: &Popup,
) -> Result<(), Failure> {
    let notification = super::notification(settings, desktop, popup);
    // A blocking call; it gets a thread that may wait.
    let shown = tokio::task::spawn_blocking(move || notification.show().map(drop)).await;
    match shown {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::Refused(error.to_string())),
        Err(error) => Err(Failure::Refused(error.to_string())),
    }
}
