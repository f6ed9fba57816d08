//! The private desktop for real: what the end-to-end tests of the app rely on.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "this is a test as a whole: its helpers may fail it too")]

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use xtask::desktop::{Desktop, Notification};
use xtask::dirs;
use xtask::process::{Running, eventually};
use xtask::webdriver::{Theme, Window};

/// The small browser that comes with `WebKitWebDriver`.
const BROWSERS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
    "/usr/lib/aarch64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
    "/usr/libexec/webkit2gtk-4.1/MiniBrowser",
];

#[test]
fn a_notification_is_shown_and_is_in_the_history_as_it_was_sent() {
    let desktop = Desktop::start().unwrap();
    desktop.notify("Build 41 & more", "it's <b>done</b>\n检测").unwrap();
    let file = dirs::target().join("desktop-test/popup.png");
    std::thread::sleep(Duration::from_millis(300));
    desktop.screenshot(&file).unwrap();
    assert!(std::fs::read(&file).unwrap().starts_with(b"\x89PNG"));
    let sent = Notification {
        appname: "xtask".to_owned(),
        summary: "Build 41 & more".to_owned(),
        body: "it's <b>done</b>\n检测".to_owned(),
    };
    assert_eq!(desktop.notifications().unwrap(), [sent]);
}

#[test]
fn two_desktops_do_not_see_each_other_and_leave_nothing_behind() {
    let (one, two) = (Desktop::start().unwrap(), Desktop::start().unwrap());
    one.notify("for one", "").unwrap();
    assert_eq!(one.notifications().unwrap().len(), 1);
    assert_eq!(two.notifications().unwrap(), []);
    assert!(two.tray().unwrap().is_empty());
    let folders = [one.folder().to_owned(), two.folder().to_owned()];
    drop((one, two));
    for folder in folders {
        assert!(!folder.exists(), "{}", folder.display());
        // What the bus has started ends with it, but in its own time.
        let gone = || processes_that_mention(&folder).is_empty().then_some(());
        eventually("everything on the desktop to end", Duration::from_secs(10), gone).unwrap();
    }
}

#[test]
fn the_window_is_driven_in_light_and_dark_and_ends_with_its_session() {
    let Some(browser) = BROWSERS.iter().map(Path::new).find(|path| path.is_file()) else {
        return xtask::test::skip("the_window_is_driven_in_light_and_dark", "WebKitGTK's MiniBrowser is not installed");
    };
    let desktop = Desktop::start().unwrap();
    for (theme, dark) in [(Theme::Light, false), (Theme::Dark, true)] {
        let window = Window::open(&desktop, theme, browser, &["--automation"], &[]).unwrap();
        let page = "document.body.innerHTML = '<input data-testid=field><p data-testid=said></p>';
                    const [field, said] = document.body.children;
                    field.oninput = () => { said.textContent = 'said ' + field.value; };
                    return matchMedia('(prefers-color-scheme: dark)').matches";
        assert_eq!(window.execute(page, &json!([])).unwrap(), dark, "{theme:?}");
        window.find("field").unwrap().type_text("hello").unwrap();
        assert_eq!(window.find("said").unwrap().text().unwrap(), "said hello");
        window.close();
    }
    let gone =
        || processes_that_mention(desktop.folder()).iter().all(|name| !name.contains("MiniBrowser")).then_some(());
    eventually("the browser to end", Duration::from_secs(10), gone).unwrap();
}

#[test]
fn what_runs_on_the_desktop_sees_nothing_of_the_persons_session() {
    let desktop = Desktop::start().unwrap();
    let output = desktop.command("env").output().unwrap();
    let env = String::from_utf8(output.stdout).unwrap();
    for name in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        let value = env.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
        assert!(Path::new(value).starts_with(desktop.folder()), "{name}={value}");
    }
    let mut sleep = Running::start(desktop.command("sleep").arg("600")).unwrap();
    assert!(sleep.ended().is_none());
}

/// The names of the processes whose environment names the folder.
fn processes_that_mention(folder: &Path) -> Vec<String> {
    let folder = folder.as_os_str().as_encoded_bytes();
    let mentions = |dir: &Path| {
        let env = std::fs::read(dir.join("environ")).unwrap_or_default();
        env.windows(folder.len()).any(|part| part == folder)
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    all.filter(|dir| mentions(dir))
        .map(|dir| std::fs::read_to_string(dir.join("cmdline")).unwrap_or_default())
        .collect()
}
