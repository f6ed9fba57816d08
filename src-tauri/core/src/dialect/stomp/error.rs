//! What a server's ERROR means: it has no codes, only words.

use super::super::Effects;
use super::frames::Frame;
use crate::cause::{Cause, CauseCode};
use crate::text::one_line;

/// Says what an ERROR means for the session.
pub(super) fn take(frame: &Frame, effects: &mut Effects) {
    let body = String::from_utf8_lossy(&frame.body);
    let words = [frame.header("message").unwrap_or_default(), body.lines().next().unwrap_or_default()];
    let said = one_line(&words.join(": "), 300);
    let code = meaning(&said);
    let cause = Cause::new(code, format!("the server says: {said}"));
    match code {
        CauseCode::Protocol => effects.end = Some(cause),
        _ => effects.fatal = Some(cause),
    }
}

/// What it is about. Only a person can correct credentials and rights, and a destination that the server cannot read;
/// what servers say of those is known from their sources, and anything else may pass.
fn meaning(said: &str) -> CauseCode {
    let rights = [
        // RabbitMQ: "Access refused for user 'x'", "Virtual host 'x' access denied", "access_refused".
        "access refused",
        "access denied",
        "access_refused",
        // ActiveMQ: "User name [x] or password is invalid.", "User x is not authorized to read from: x".
        "password is invalid",
        "not authorized",
        // Artemis.
        "unable to validate user",
        "does not have permission",
        // Spring Security, which also says "Access Denied".
        "access is denied",
    ];
    // RabbitMQ.
    let settings = ["unknown destination", "invalid destination"];
    let said = said.to_lowercase();
    let one_of = |words: &[&str]| words.iter().any(|words| said.contains(words));
    if one_of(&rights) {
        CauseCode::Unauthorized
    } else if one_of(&settings) {
        CauseCode::Configuration
    } else {
        CauseCode::Protocol
    }
}
