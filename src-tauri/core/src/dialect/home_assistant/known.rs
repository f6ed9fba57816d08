//! Which notifications are known: the cursor.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::link::ResumeData;

/// How many are known. Home Assistant has a few dozen; each takes some 40 bytes of the cursor, at most 300.
const KNOWN_MAX: usize = 500;

/// The notifications that there are, as JSON the cursor. Times are in microseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// When each was created, by its key.
    created: BTreeMap<String, i64>,
    /// There were more: what was created up to then, and is not among them, was known too.
    older: Option<i64>,
}

impl Known {
    /// None: the cursor is none of ours.
    pub(super) fn read(cursor: &ResumeData) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    pub(super) fn cursor(&self) -> ResumeData {
        // A map of texts and numbers can always be written.
        ResumeData(serde_json::to_string(self).unwrap_or_default())
    }

    /// Whether one of this key and time was not known yet. Now it is.
    pub(super) fn learn(&mut self, key: &str, created_us: i64) -> bool {
        if self.created.insert(key.to_owned(), created_us) == Some(created_us) {
            return false;
        }
        if self.created.len() > KNOWN_MAX
            && let Some((oldest, created)) = self.created.iter().min_by_key(|(_, created)| **created)
        {
            self.older = self.older.max(Some(*created));
            let oldest = oldest.clone();
            self.created.remove(&oldest);
        }
        true
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.created.remove(key);
    }

    /// Whether one of this key and time was known before there were too many.
    pub(super) fn is_of_old(&self, key: &str, created_us: i64) -> bool {
        !self.created.contains_key(key) && self.older.is_some_and(|older| created_us <= older)
    }

    /// The known ones that are not among these.
    pub(super) fn all_but(&self, there: &BTreeSet<String>) -> Vec<String> {
        self.created.keys().filter(|key| !there.contains(*key)).cloned().collect()
    }
}
