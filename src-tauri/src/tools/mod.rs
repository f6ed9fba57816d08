//! The commands that need no desktop.

pub mod ask;
pub mod check;
pub mod demo_server;
pub mod listen;
pub mod secret;

use heartwire_core::cause::CauseView;
use heartwire_core::text::one_line;
use heartwire_core::view::LinkState;

/// The longest text of a cause or a message in a line, in characters.
const LINE_CHARS: usize = 500;

/// A state in the words of the JSON lines.
fn state(state: LinkState) -> &'static str {
    match state {
        LinkState::Connecting => "connecting",
        LinkState::Connected => "connected",
        LinkState::Waiting => "waiting",
        LinkState::Blocked => "blocked",
        LinkState::Paused => "paused",
        LinkState::Stopped => "stopped",
    }
}

/// A cause as the end of a line.
fn cause(cause: &CauseView) -> String {
    format!(" ({}: {})", cause.code, one_line(&cause.text, LINE_CHARS))
}
