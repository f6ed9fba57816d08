//! What a handshake needs to go on where the last socket ended. The link does not look into it; it only notices when
//! the server does not take it, so that stale data cannot keep a link out for ever.

use crate::cause::CauseCode;

/// How many handshakes in a row may fail with the same data before they are dropped.
pub const RESUME_TRIES: u32 = 3;

/// A session or a cursor, in the dialect's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeData(pub String);

#[derive(Clone, Debug, Default)]
pub(super) struct Resume {
    data: Option<ResumeData>,
    /// Handshakes with these data that the server let fail, in a row.
    failed: u32,
    /// The socket that is dialled or up was asked to go on from these data, and has not proved itself yet.
    presented: bool,
}

impl Resume {
    pub(super) fn data(&self) -> Option<&ResumeData> {
        self.data.as_ref()
    }

    /// Newer data were never refused.
    pub(super) fn set(&mut self, data: Option<ResumeData>) {
        if self.data != data {
            *self = Self { data, failed: 0, presented: false };
        }
    }

    pub(super) fn dialled(&mut self) {
        self.presented = self.data.is_some();
    }

    /// The server took the data: the socket proved itself.
    pub(super) fn accepted(&mut self) {
        (self.failed, self.presented) = (0, false);
    }

    /// The socket or the dial failed. Some: it was once too often, and the data are gone.
    pub(super) fn failed(&mut self, code: CauseCode) -> Option<ResumeData> {
        let presented = std::mem::take(&mut self.presented);
        if !presented || !may_be_about_the_data(code) {
            return None;
        }
        self.failed += 1;
        if self.failed < RESUME_TRIES {
            return None;
        }
        self.failed = 0;
        self.data.take()
    }
}

/// Whether a failure is a word of the server that may mean the data. A network that is down, a server that restarts or
/// is overloaded, or credentials that are wrong say nothing of them.
fn may_be_about_the_data(code: CauseCode) -> bool {
    match code {
        CauseCode::Http(status) => matches!(status, 300..=499) && !matches!(status, 407 | 408 | 425 | 429),
        CauseCode::Closed(code) => !matches!(code, 1001 | 1012..=1014),
        CauseCode::Protocol => true,
        CauseCode::Dns
        | CauseCode::Refused
        | CauseCode::Unreachable
        | CauseCode::ConnectTimeout
        | CauseCode::Tls
        | CauseCode::Proxy
        | CauseCode::Unauthorized
        | CauseCode::HeartbeatTimeout
        | CauseCode::Reset
        | CauseCode::TooLarge
        | CauseCode::Slept
        | CauseCode::NetworkChanged
        | CauseCode::ByPerson
        | CauseCode::Configuration => false,
    }
}
