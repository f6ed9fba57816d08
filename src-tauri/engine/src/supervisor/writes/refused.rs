//! What is kept of what the disk refused, within bounds, and what is lost beyond them.

use tokio::time::Instant;

use super::job::Job;
use super::{Latest, MOST_STEPS, Outcome, RETRY, Step, Then, Writes};
use crate::store::{Entry, NewMessage, StoreError};
use crate::supervisor::links::now_ms;

impl Writes {
    pub(super) fn keep(&mut self, job: Job, error: StoreError) -> Outcome {
        if let Job::Behind(mut steps, error) = job {
            if self.held.is_some() {
                return self.keep_steps(steps, error);
            }
            // The disk is asked again meanwhile.
            steps.append(&mut self.steps);
            self.steps = steps;
            return Outcome::Done;
        }
        self.held = Some((Instant::now() + RETRY, error.clone()));
        match job {
            Job::Steps(mut steps, refused) => {
                // The store's thread has died with them where they are fewer.
                let new = steps.split_off(refused.min(steps.len()));
                self.refused = steps;
                return self.keep_steps(new, error);
            }
            Job::Behind(..) | Job::Lossy(_) => {}
            Job::Queued(write) => self.queue.push_front(write),
            Job::Latest(Latest::Alive(at_ms)) => self.alive = self.alive.or(Some(at_ms)),
            Job::Latest(Latest::Prune(keep)) => self.prune = self.prune.or(Some(keep)),
            Job::Latest(Latest::Notified(id)) => self.notified = self.notified.or(Some(id)),
        }
        Outcome::Failed(error)
    }

    /// Keeps what the disk refused.
    fn keep_steps(&mut self, new: Vec<Step>, error: StoreError) -> Outcome {
        for step in &new {
            self.keep_step(step);
        }
        Outcome::Refused(new, error)
    }

    fn keep_step(&mut self, step: &Step) {
        let sound = step.clone().sound(&self.lossy);
        let is_rare = matches!(
            sound,
            Some(Step::Then(Then::CaughtUp(..)) | Step::Entry(Entry::Source(..) | Entry::Renamed { .. }))
        );
        if self.refused.len() < MOST_STEPS || is_rare {
            return self.refused.extend(sound);
        }
        // Whatever it is, the connection goes on from before it when the disk takes something again.
        let (name, came_ms) = match step {
            Step::Entry(Entry::Message(NewMessage { connection, at_ms, .. })) => {
                *self.lost.entry(connection.clone()).or_default() += 1;
                (connection, *at_ms)
            }
            Step::Entry(Entry::Withdrawn { connection, at_ms, .. }) => (connection, *at_ms),
            Step::Entry(Entry::Cursor(name, _)) | Step::Then(Then::Committed(name, ..)) => (name, now_ms()),
            Step::Entry(_) | Step::Then(_) => return,
        };
        let since_ms = self.lossy.entry(name.clone()).or_insert(came_ms);
        *since_ms = came_ms.min(*since_ms);
    }

    /// How many messages found no place while the disk refused them, and did not come again.
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// All that this connection missed has come and is on disk.
    pub fn made_good(&mut self, connection: &str) {
        if !self.lossy.contains_key(connection) {
            self.lost.remove(connection);
        }
    }
}
