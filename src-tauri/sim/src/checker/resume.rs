//! Resume data that the server does not take (21).

use heartwire_core::cause::CauseCode;

use super::{Verdict, broken};

/// So many handshakes in a row may fail with the same data.
const TRIES: u32 = 3;

/// What is known of the data. Not every failure is about them, and the promise leaves open which are, so there is a
/// least and a most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resume {
    data: Option<usize>,
    presented: bool,
    least: u32,
    most: u32,
    /// They must be dropped in this step.
    due: bool,
}

impl Resume {
    pub(super) fn known(&mut self, data: usize) {
        if self.data != Some(data) {
            *self = Self { data: Some(data), ..Self::default() };
        }
    }

    pub(super) fn dialled(&mut self) {
        self.presented = self.data.is_some();
    }

    /// The server answered a heartbeat: it took the data.
    pub(super) fn accepted(&mut self) {
        (self.presented, self.least, self.most) = (false, 0, 0);
    }

    /// A handshake that ends with a client error, or a socket that is closed as a protocol error before it has proved
    /// itself, is about the data for sure; what only this computer or the network did is not.
    pub(super) fn failed(&mut self, code: CauseCode, may_be_proved: bool) {
        if !std::mem::take(&mut self.presented) {
            return;
        }
        self.most += 1;
        if may_be_proved {
            self.least = 0;
        } else if matches!(code, CauseCode::Http(400 | 404) | CauseCode::Protocol | CauseCode::Closed(1002 | 4000)) {
            self.least += 1;
        }
        self.due = self.least >= TRIES;
    }

    pub(super) fn dropped(&mut self, data: usize) -> Verdict {
        if self.data != Some(data) {
            return broken(21, "resume data are dropped that are not known");
        }
        if self.most < TRIES {
            return broken(21, format!("resume data are dropped after {} failures", self.most));
        }
        *self = Self::default();
        Ok(())
    }

    pub(super) fn check(&self) -> Verdict {
        if self.due { broken(21, format!("resume data are kept after {} refusals", self.least)) } else { Ok(()) }
    }
}
