//! What a server wants acknowledged, which is done once it is on disk.

use std::collections::VecDeque;

use super::Item;

/// The most that wait to be on disk. Of more the oldest are not acknowledged any more: a server that keeps them sends them
/// again on the next socket.
pub(super) const MOST: usize = 100_000;

/// Acknowledgements, by the marks after which they are due.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged {
    marks: u64,
    waiting: VecDeque<(u64, String)>,
}

impl Unacknowledged {
    /// One more is due after the next mark.
    pub(super) fn push(&mut self, ack: String) {
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back((self.marks + 1, ack));
    }

    /// The mark of what was pushed since the last one; none: nothing was.
    pub(super) fn mark(&mut self) -> Option<Item> {
        let is_any = self.waiting.back().is_some_and(|(mark, _)| *mark > self.marks);
        is_any.then(|| {
            self.marks += 1;
            Item::Mark(self.marks)
        })
    }

    /// Everything before this mark is on disk: what is due now.
    pub(super) fn due(&mut self, mark: u64) -> impl Iterator<Item = String> {
        let due = self.waiting.iter().take_while(|(of, _)| *of <= mark).count();
        self.waiting.drain(..due).map(|(_, ack)| ack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_once_after_its_mark() {
        let mut it = Unacknowledged::default();
        assert_eq!(it.mark(), None);
        it.push("a".to_owned());
        it.push("b".to_owned());
        assert_eq!((it.mark(), it.mark()), (Some(Item::Mark(1)), None));
        it.push("c".to_owned());
        assert_eq!(it.mark(), Some(Item::Mark(2)));
        let mut due = |mark| it.due(mark).collect::<Vec<_>>();
        assert_eq!((due(0), due(1), due(1), due(2)), (vec![], vec!["a".into(), "b".into()], vec![], vec!["c".into()]));
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let mut it = Unacknowledged::default();
        for number in 0..=MOST {
            it.push(number.to_string());
        }
        it.mark();
        let due: Vec<_> = it.due(1).collect();
        assert_eq!((due.len(), due[0].as_str()), (MOST, "1"));
    }
}
