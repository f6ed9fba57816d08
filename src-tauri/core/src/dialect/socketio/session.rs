//! What the server and we know of each other in one namespace.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Up to where the events of a namespace are complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Point {
    /// The private id of the session, by which it can be gone on with.
    pub(super) pid: String,
    pub(super) offset: String,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) space: String,
    /// That of an earlier socket until this one has its first; older sessions may still be gone on with.
    pub(super) point: Option<Point>,
    /// The private id: the one that we ask for until the server's answer, then the one that it gave.
    pub(super) pid: Option<String>,
    /// The server answered.
    pub(super) is_up: bool,
    /// The session is the one we asked for, and what was missed has come.
    pub(super) is_recovered: bool,
}

impl Session {
    pub(super) fn new(space: String, point: Option<Point>) -> Self {
        let pid = point.as_ref().map(|point| point.pid.clone());
        Self { space, point, pid, is_up: false, is_recovered: false }
    }

    /// The request to connect, with what the server wants to know of us.
    pub(super) fn request(&self, mut auth: Map<String, Value>) -> String {
        if let Some(Point { pid, offset }) = &self.point {
            auth.insert("pid".to_owned(), pid.as_str().into());
            auth.insert("offset".to_owned(), offset.as_str().into());
        }
        let auth = if auth.is_empty() { String::new() } else { Value::from(auth).to_string() };
        format!("40{}{auth}", self.prefix())
    }

    /// What stands before the data of its packets.
    pub(super) fn prefix(&self) -> String {
        if self.space == "/" { String::new() } else { format!("{},", self.space) }
    }

    /// The server's answer.
    pub(super) fn answered(&mut self, pid: Option<String>) {
        self.is_recovered = pid.is_some() && pid == self.pid;
        self.pid = pid;
        self.is_up = true;
    }

    /// Whether what comes now was missed: the server sends that before its answer.
    pub(super) fn is_catching_up(&self) -> bool {
        !self.is_up && self.point.is_some()
    }
}
