//! The window's process: one webview that shows snapshots and makes requests. It holds no truth: it may be killed at
//! any moment, and it ends when it is closed or when the resident is gone.

mod guard;
mod size;

use std::sync::Arc;

use heartwire_core::control::{Reply, Request, WindowView};
use heartwire_core::view::Snapshot;
use heartwire_engine::control::{Client, Push};
use heartwire_engine::paths::Paths;
use tauri::{AppHandle, Emitter, Manager, State, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent};
use tokio::sync::broadcast;

use crate::app::{self, LastWindow};
use crate::exit::{Ended, Failure};
use crate::out;

use self::size::Size;

/// The window's name, which its capability names too.
const LABEL: &str = "main";
/// The exit code when the resident is gone, as for every command that needs it.
const RESIDENT_GONE: i32 = 3;

/// The page's one command: a request to the resident, and its answer.
#[tauri::command]
async fn request(client: State<'_, Client>, request: Request) -> Result<Reply, ()> {
    Ok(client.reply(request).await)
}

/// Shows the window until it is closed.
pub fn run(view: Option<WindowView>) -> Ended {
    let paths = Paths::new()?;
    let runtime = app::runtime()?;
    let client = runtime.block_on(Client::connect(&paths.control_socket))?;
    app::require_display()?;

    let app = tauri::Builder::default()
        .manage(client.clone())
        .invoke_handler(tauri::generate_handler![request])
        .setup(move |app| {
            open(app.handle(), view, &paths)?;
            tauri::async_runtime::spawn(follow(app.handle().clone(), client));
            Ok(())
        })
        .build(app::context())
        .map_err(|error| Failure::wrong(format!("the window cannot be opened: {error}")))?;
    Ok(app::run(app, LastWindow::Ends))
}

fn open(app: &AppHandle, view: Option<WindowView>, paths: &Paths) -> tauri::Result<()> {
    let page = view.map_or_else(|| "index.html".to_owned(), |view| format!("index.html#{}", view.word()));
    let size_file = paths.database.with_file_name("window.json");
    let size = Size::read(&size_file);
    // The page keeps nothing. What WebKit writes all the same lies where nothing outlives the session, and where the
    // resident could write: a full or read-only disk must not keep the window from opening.
    let beside = if cfg!(unix) { &paths.control_socket } else { &paths.database };
    let window = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App(page.into()))
        .title("Heartwire")
        .inner_size(size.width, size.height)
        .min_inner_size(Size::LEAST.width, Size::LEAST.height)
        .maximized(size.maximized)
        .data_directory(beside.with_file_name("webview"))
        .on_navigation(guard::is_ours)
        .on_new_window(|_, _| tauri::webview::NewWindowResponse::Deny)
        .build()?;
    guard::watch_the_page(&window)?;
    let of_window = window.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { .. } = event {
            Size::of(&of_window).unwrap_or_default().write(&size_file);
        }
    });
    Ok(())
}

/// Hands the resident's news to the page, until the resident is gone.
async fn follow(app: AppHandle, client: Client) {
    let mut snapshots = client.snapshots();
    let mut pushes = client.pushes();
    loop {
        tokio::select! {
            () = client.closed() => break,
            // The sender lives as long as the connection.
            Ok(()) = snapshots.changed() => {
                let newest = snapshots.borrow_and_update().clone();
                show(&app, newest);
            }
            push = pushes.recv() => match push {
                Ok(Push::Raise) => raise(&app),
                Ok(Push::ShowView(view)) => {
                    emit(&app, "show-view", view);
                    raise(&app);
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break,
            },
        }
    }
    out::error("Heartwire has ended, and its window ends with it");
    app.exit(RESIDENT_GONE);
}

/// There are snapshots only after the page has subscribed, that is, when it listens.
fn show(app: &AppHandle, snapshot: Option<Arc<Snapshot>>) {
    if let Some(snapshot) = snapshot {
        emit(app, "snapshot", &*snapshot);
    }
}

fn emit<T: serde::Serialize + Clone>(app: &AppHandle, event: &str, payload: T) {
    if let Err(error) = app.emit_to(LABEL, event, payload) {
        tracing::warn!(%error, event, "the page could not be told");
    }
}

fn raise(app: &AppHandle) {
    let Some(window) = app.get_webview_window(LABEL) else { return };
    let raised = |window: &WebviewWindow| {
        window.unminimize()?;
        window.show()?;
        window.set_focus()
    };
    if let Err(error) = raised(&window) {
        tracing::warn!(%error, "the window could not be brought to the front");
    }
}
