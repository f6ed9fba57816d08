//! What the server and we know of each other: in one namespace, and in all of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::dialect::{CaughtUp, Item, Missing};
use crate::link::ResumeData;

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

/// Those of a socket, one for each namespace.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    pub(super) list: Vec<Session>,
    /// There was no socket before.
    is_first: bool,
}

impl Sessions {
    /// Those of these namespaces, each from where the cursor says.
    pub(super) fn of(spaces: &[String], cursor: Option<&ResumeData>) -> Self {
        let known = cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok());
        let mut known: BTreeMap<String, Point> = known.unwrap_or_default();
        let mut sessions = Self { list: Vec::new(), is_first: cursor.is_none() };
        for space in spaces {
            if sessions.place(space).is_none() {
                sessions.list.push(Session::new(space.clone(), known.remove(space)));
            }
        }
        sessions
    }

    /// Where that of this namespace stands.
    pub(super) fn place(&self, space: &str) -> Option<usize> {
        self.list.iter().position(|session| session.space == space)
    }

    /// Whether the server has answered for all of them.
    pub(super) fn are_up(&self) -> bool {
        self.list.iter().all(|session| session.is_up)
    }

    /// What is known of the time before this socket, once all of them are up.
    pub(super) fn caught_up(&self) -> CaughtUp {
        if self.is_first {
            CaughtUp::FirstContact
        } else if self.list.iter().all(|session| session.is_recovered) {
            CaughtUp::Recovered { keeps: None }
        } else if self.list.iter().all(|session| session.pid.is_some()) {
            CaughtUp::Missing(Missing::CursorLost)
        } else {
            CaughtUp::Missing(Missing::NoReplay)
        }
    }

    /// Whether a session has taken the place of a lost one, which is told when all have answered. If the socket ended before,
    /// a cursor of the new one would hide it.
    pub(super) fn have_untold_loss(&self) -> bool {
        let is_lost = |session: &Session| session.is_up && !session.is_recovered;
        !self.is_first && self.list.iter().any(is_lost) && !self.are_up()
    }

    /// Empty until there is an offset: that there was a contact is known by it.
    pub(super) fn cursor(&self) -> Item {
        let points = self.list.iter().filter_map(|session| Some((session.space.clone(), session.point.clone()?)));
        Item::Cursor(ResumeData(json!(points.collect::<BTreeMap<_, _>>()).to_string()))
    }
}
