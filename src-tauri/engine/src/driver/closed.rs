//! What a peer's close frame says, in words.

use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::Dialect;

use crate::dial::said;

/// The dialect's word comes first.
pub(super) fn cause(frame: Option<&CloseFrame>, dialect: &dyn Dialect) -> Cause {
    if let Some(cause) = frame.and_then(|frame| dialect.closed(frame.code.into(), &said(&frame.reason))) {
        return cause;
    }
    let code = frame.map_or(1005, |frame| frame.code.into());
    let mut text = match known(code) {
        Some(meaning) => format!("the server closed the connection: {meaning}"),
        None => format!("the server closed the connection with code {code}"),
    };
    if let Some(frame) = frame.filter(|frame| !frame.reason.is_empty()) {
        text = format!("{text} ({})", said(&frame.reason));
    }
    Cause::new(CauseCode::Closed(code), text)
}

/// What the registered close codes mean (RFC 6455, section 7.4.1, and the IANA registry it opens).
fn known(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 => "it is done (1000)",
        1001 => "it is going away (1001)",
        1002 => "it found a protocol error (1002)",
        1003 => "it does not take this kind of data (1003)",
        1005 => "it gave no code (1005)",
        1007 => "it found data that does not match its type (1007)",
        1008 => "something is against its rules (1008)",
        1009 => "a message was too large for it (1009)",
        1010 => "it misses an extension (1010)",
        1011 => "it failed (1011)",
        1012 => "it restarts (1012)",
        1013 => "it is overloaded (1013)",
        1014 => "its gateway failed (1014)",
        _ => return None,
    })
}
