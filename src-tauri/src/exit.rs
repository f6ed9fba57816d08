//! How a command ends badly: what went wrong, in words, and the exit code that programs can rely on.

use std::process::ExitCode;

use heartwire_core::control::{FailCode, Reply};
use heartwire_engine::control::ControlError;
use heartwire_engine::paths::PathsError;

use crate::{log, out};

/// The result of every role.
pub type Ended = Result<ExitCode, Failure>;

/// Why a role ended: one message for stderr and the exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The exit code of whatever needs the running app and does not find it, or finds it ending.
    pub const NOT_RUNNING: u8 = 3;

    /// The person's input, or something on this computer, was wrong: exit code 1.
    pub fn wrong(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// The app is not running: exit code 3.
    pub fn not_running() -> Self {
        Self { code: Self::NOT_RUNNING, message: "Heartwire is not running: start it with `heartwire`".to_owned() }
    }

    /// Says it on stderr, and in the log's file if there is one, and gives the exit code.
    pub fn tell(self) -> ExitCode {
        tracing::error!(target: log::FILE_ONLY, "{}", self.message);
        out::error(&self.message);
        ExitCode::from(self.code)
    }
}

impl From<PathsError> for Failure {
    fn from(error: PathsError) -> Self {
        Self::wrong(error.to_string())
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NotRunning(_) => Self::not_running(),
            ControlError::OtherUser { .. }
            | ControlError::Closed
            | ControlError::Timeout
            | ControlError::TooLong
            | ControlError::Io(_) => Self::wrong(error.to_string()),
        }
    }
}

/// What a command that only wants something done makes of the answer.
pub fn of_reply(reply: Reply) -> Ended {
    match reply {
        Reply::Failed { code: FailCode::Stopping, message } => Err(Failure { code: Failure::NOT_RUNNING, message }),
        Reply::Failed { message, .. } => Err(Failure::wrong(message)),
        Reply::Invalid { errors } => {
            let errors: Vec<_> =
                errors.into_iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
            Err(Failure::wrong(errors.join("\n")))
        }
        Reply::Ok
        | Reply::Snapshot { .. }
        | Reply::Settings { .. }
        | Reply::History { .. }
        | Reply::Messages { .. }
        | Reply::Tested { .. } => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_is_ending_is_not_running() {
        let check = |code, wanted: u8| {
            let failure = of_reply(Reply::Failed { code, message: "words".to_owned() }).unwrap_err();
            assert_eq!((failure.code, failure.message.as_str()), (wanted, "words"), "{code:?}");
        };
        check(FailCode::Stopping, 3);
        check(FailCode::UnknownConnection, 1);
        check(FailCode::Storage, 1);
    }
}
