//! What keeps the webview to its page, and what happens when its process dies.

use tauri::{Url, WebviewWindow};

/// Whether this is the app's own page: the only place the webview may go.
pub fn is_ours(url: &Url) -> bool {
    match (url.scheme(), url.host_str()) {
        ("tauri", Some("localhost")) => true,
        ("http" | "https", Some("tauri.localhost")) => cfg!(any(windows, target_os = "android")),
        _ => false,
    }
}

/// A page whose process died is loaded again; one that dies twice in ten seconds ends the window, which can be opened
/// again from the tray. A page that is closed, by itself or by WebDriver, ends the window as its title bar does.
pub fn watch_the_page(window: &WebviewWindow) -> tauri::Result<()> {
    #[cfg(target_os = "linux")]
    return linux::watch(window);
    #[cfg(not(target_os = "linux"))]
    {
        // WebView2 and WKWebView reload by themselves or show their own page.
        let _ = window;
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    use gtk::prelude::WidgetExt;
    use tauri::{Manager, WebviewWindow};
    use webkit2gtk::WebViewExt;

    use crate::out;

    const AGAIN_WITHIN: Duration = Duration::from_secs(10);

    pub(super) fn watch(window: &WebviewWindow) -> tauri::Result<()> {
        let app = window.app_handle().clone();
        window.with_webview(move |webview| {
            let closing = app.clone();
            // wry destroys the webview of a closed page and leaves an empty window; nothing hears "close" after it.
            webview.inner().connect_destroy(move |_| closing.exit(0));
            let died: Cell<Option<Instant>> = Cell::new(None);
            webview.inner().connect_web_process_terminated(move |view, reason| {
                let before = died.replace(Some(Instant::now()));
                if before.is_some_and(|before| before.elapsed() < AGAIN_WITHIN) {
                    out::error(&format!("the window's page died again ({reason:?}): the window ends"));
                    app.exit(1);
                } else {
                    tracing::warn!(?reason, "the window's page died and is loaded again");
                    view.reload();
                }
            });
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_apps_own_page_may_be_visited() {
        let check = |url: &str, ours: bool| assert_eq!(is_ours(&url.parse().unwrap()), ours, "{url}");
        check("tauri://localhost", true);
        check("tauri://localhost/index.html#settings", true);
        check("tauri://evil.example/", false);
        check("https://evil.example/", false);
        check("file:///etc/passwd", false);
        check("javascript:alert(1)", false);
        check("data:text/html,x", false);
        check("about:blank", false);
        check("http://localhost/", false);
        check("http://tauri.localhost/", cfg!(windows));
    }
}
