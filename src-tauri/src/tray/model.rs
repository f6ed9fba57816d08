//! What the tray shows, as data: a pure function of the snapshot, so that the backends only draw and a menu is sent to
//! the desktop only when it differs from the one that is shown.

use heartwire_core::control::{Request, WindowView};
use heartwire_core::text::one_line;
use heartwire_core::view::{ConnectionView, LinkState, Snapshot};

use super::words::Words;

/// Connections with a line of their own; the rest is counted.
const LINES: usize = 20;
/// Connections named in the tooltip; the rest is counted.
const NAMED: usize = 3;
/// The longest name in the tray, in characters.
const NAME_CHARS: usize = 40;

/// Everything the tray shows.
#[derive(Clone, Debug, PartialEq)]
pub struct TrayModel {
    /// The worst of what the connections are doing.
    pub icon: Icon,
    /// One sentence that sums up everything.
    pub summary: String,
    /// The menu, from the top.
    pub menu: Vec<Entry>,
}

/// One picture a state; see `icons/tray`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Everything that should be connected is.
    Connected,
    /// Something is connecting or waiting to.
    Waiting,
    /// Something needs the person.
    Blocked,
    /// Everything is paused.
    Paused,
    /// There is no connection, or none is running.
    Stopped,
}

/// A line of the menu.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A line between groups.
    Separator,
    /// Does something.
    Item {
        /// Its words.
        label: String,
        /// What a click does; none: nothing can be done now.
        action: Option<Action>,
    },
    /// Opens more lines.
    Submenu {
        /// Its words.
        label: String,
        /// Its lines.
        entries: Vec<Entry>,
    },
}

/// What a click does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Open the window, at a view if one is named.
    Open(Option<WindowView>),
    /// Ask the supervisor, in this order.
    Ask(Vec<Request>),
    /// End the app.
    Quit,
}

impl TrayModel {
    /// What the tray shows for this state.
    pub fn of(snapshot: &Snapshot, words: &Words) -> Self {
        let connections = &snapshot.connections;
        Self { icon: Icon::of(connections), summary: summary(snapshot, words), menu: menu(connections, words) }
    }
}

impl Icon {
    fn of(connections: &[ConnectionView]) -> Self {
        let any = |wanted: &[LinkState]| connections.iter().any(|connection| wanted.contains(&connection.state));
        if any(&[LinkState::Blocked]) {
            Self::Blocked
        } else if any(&[LinkState::Connecting, LinkState::Waiting]) {
            Self::Waiting
        } else if any(&[LinkState::Connected]) {
            Self::Connected
        } else if any(&[LinkState::Paused]) {
            Self::Paused
        } else {
            Self::Stopped
        }
    }
}

fn summary(snapshot: &Snapshot, words: &Words) -> String {
    let connections = &snapshot.connections;
    let up = connections.iter().filter(|connection| connection.state == LinkState::Connected).count();
    let mut parts = vec![match Icon::of(connections) {
        Icon::Stopped if connections.is_empty() => words.nothing_configured.to_owned(),
        Icon::Stopped => words.everything_stopped.to_owned(),
        Icon::Paused => words.everything_paused.to_owned(),
        Icon::Connected | Icon::Waiting | Icon::Blocked => words.connected_of(up, connections.len()),
    }];
    // Those that need the person come first.
    let mut troubled: Vec<_> = connections.iter().filter(|connection| is_troubled(connection.state)).collect();
    troubled.sort_by_key(|connection| connection.state != LinkState::Blocked);
    parts.extend(troubled.iter().take(NAMED).map(|connection| named(connection, words)));
    if let Some(others @ 1..) = troubled.len().checked_sub(NAMED) {
        parts.push(words.others(others));
    }
    if !snapshot.problems.is_empty() {
        parts.push(words.problems(snapshot.problems.len()));
    }
    parts.join(words.semicolon)
}

fn is_troubled(state: LinkState) -> bool {
    match state {
        LinkState::Connecting | LinkState::Waiting | LinkState::Blocked => true,
        LinkState::Connected | LinkState::Paused | LinkState::Stopped => false,
    }
}

fn menu(connections: &[ConnectionView], words: &Words) -> Vec<Entry> {
    let mut menu: Vec<Entry> = connections.iter().take(LINES).map(|connection| line(connection, words)).collect();
    if let Some(more @ 1..) = connections.len().checked_sub(LINES) {
        menu.push(item(words.more(more), Action::Open(Some(WindowView::Connections))));
    }
    if connections.is_empty() {
        menu.push(Entry::Item { label: words.nothing_configured.to_owned(), action: None });
    }
    menu.push(Entry::Separator);
    menu.push(item(words.open, Action::Open(None)));
    menu.push(item(words.settings, Action::Open(Some(WindowView::Settings))));
    menu.push(Entry::Separator);
    menu.push(reconnect_all(connections, words));
    menu.push(pause_all(connections, words));
    menu.push(Entry::Separator);
    menu.push(item(words.quit, Action::Quit));
    menu
}

fn line(connection: &ConnectionView, words: &Words) -> Entry {
    let name = || Some(connection.name.clone());
    let pause = if connection.state == LinkState::Paused {
        item(words.resume, Action::Ask(vec![Request::Resume { connection: name() }]))
    } else {
        item(words.pause, Action::Ask(vec![Request::Pause { connection: name() }]))
    };
    let reconnect = is_running(connection.state).then(|| Action::Ask(vec![reconnect(connection)]));
    let entries = vec![Entry::Item { label: words.reconnect.to_owned(), action: reconnect }, pause];
    Entry::Submenu { label: format!("{} {}", glyph(connection.state), named(connection, words)), entries }
}

fn reconnect_all(connections: &[ConnectionView], words: &Words) -> Entry {
    let running = connections.iter().filter(|connection| is_running(connection.state));
    let requests: Vec<_> = running.map(reconnect).collect();
    let action = (!requests.is_empty()).then_some(Action::Ask(requests));
    Entry::Item { label: words.reconnect.to_owned(), action }
}

fn pause_all(connections: &[ConnectionView], words: &Words) -> Entry {
    if Icon::of(connections) == Icon::Paused {
        return item(words.resume_all, Action::Ask(vec![Request::Resume { connection: None }]));
    }
    let action = (!connections.is_empty()).then(|| Action::Ask(vec![Request::Pause { connection: None }]));
    Entry::Item { label: words.pause_all.to_owned(), action }
}

fn reconnect(connection: &ConnectionView) -> Request {
    Request::Reconnect { connection: connection.name.clone() }
}

fn is_running(state: LinkState) -> bool {
    match state {
        LinkState::Connecting | LinkState::Connected | LinkState::Waiting | LinkState::Blocked => true,
        LinkState::Paused | LinkState::Stopped => false,
    }
}

fn item(label: impl Into<String>, action: Action) -> Entry {
    Entry::Item { label: label.into(), action: Some(action) }
}

fn named(connection: &ConnectionView, words: &Words) -> String {
    format!("{}{}{}", one_line(&connection.name, NAME_CHARS), words.colon, words.state(connection.state))
}

/// A shape for each state, because a menu has no colours.
fn glyph(state: LinkState) -> char {
    match state {
        LinkState::Connecting => '◌',
        LinkState::Connected => '●',
        LinkState::Waiting => '◐',
        LinkState::Blocked => '▲',
        LinkState::Paused => '‖',
        LinkState::Stopped => '○',
    }
}

#[cfg(test)]
mod tests;
