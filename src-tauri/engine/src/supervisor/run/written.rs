//! What the store has answered: only now it is shown, notified and acknowledged.

use heartwire_core::attention::NOT_STORED;

use super::{PRUNE_AFTER, Run};
use crate::store::{Entry, StoreError, Stored, Written};
use crate::supervisor::writes::{Done, Outcome, Step, Then};

impl Run {
    pub(super) fn written(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Committed(done, refused) => {
                for (at, done) in done.into_iter().enumerate() {
                    match done {
                        Done::Written(Written::Stored(stored)) => self.stored(&stored, at < refused),
                        Done::Written(Written::Withdrawn(connection, key, rows)) => {
                            if at >= refused {
                                self.popups.withdraw(&connection, &key);
                            }
                            self.state.withdrawn(&connection, &key, &rows);
                        }
                        Done::Written(Written::Duplicate | Written::Done) => {}
                        Done::Then(then) => self.then(then),
                    }
                }
                self.mark_notified();
            }
            Outcome::Lossy(lossy) => self.redial_lossy(lossy),
            Outcome::Gaps(rows) => self.state.gaps_stored(&rows),
            Outcome::SpanBegun(row, span) => self.state.span_stored(row, span),
            Outcome::Attempts(row, attempts) => self.state.attempts_stored(row, attempts),
            Outcome::SpanEnded(connection, at_ms) => self.state.span_ended(&connection, at_ms),
            Outcome::Done => {}
            Outcome::Refused(steps, error) => {
                // A message is worth more than its row: it is shown at once, and stored when the disk takes it.
                for step in &steps {
                    match step {
                        Step::Entry(Entry::Message(new)) => {
                            self.popups.decide(&new.connection, NOT_STORED, &new.message);
                        }
                        Step::Entry(Entry::Withdrawn { connection, withdrawal, .. }) => {
                            self.popups.withdraw(connection, &withdrawal.key);
                        }
                        Step::Then(Then::CaughtUp(name, ..) | Then::Told(name)) => self.popups.caught_up(name),
                        Step::Entry(_) | Step::Then(_) => {}
                    }
                }
                return self.refused(&error);
            }
            Outcome::Failed(error) => return self.refused(&error),
        }
        if self.committed_since_prune >= PRUNE_AFTER {
            self.prune();
        }
        if self.writes.retry_at().is_none() {
            self.state.storage_problem(None);
        }
    }

    /// A message is on disk; what was refused before was notified then.
    fn stored(&mut self, stored: &Stored, was_refused: bool) {
        if was_refused {
            self.popups.was_told(stored.id);
        } else {
            self.popups.decide(&stored.connection, stored.id, &stored.message);
        }
        self.committed_since_prune += 1;
        self.state.message_stored(stored);
    }

    fn refused(&mut self, error: &StoreError) {
        let on_its_own = if matches!(error, StoreError::Full { .. }) { ", Heartwire goes on by itself" } else { "" };
        self.state.storage_problem(Some(format!("{error}{on_its_own}")));
        self.state.not_stored = self.writes.lost();
    }

    /// Notes up to where no popup is owed.
    pub(super) fn mark_notified(&mut self) {
        if let Some(id) = self.popups.mark() {
            self.writes.notified(id);
        }
    }
}
