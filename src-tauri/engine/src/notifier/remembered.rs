//! The popups that were shown under a key and may still be there: to be replaced, or to be closed. A bounded number; the
//! oldest are forgotten and stay until the person closes them.

use std::collections::VecDeque;

use super::desktop::{Service, Shown};

/// How many are remembered, and how many wait to be closed.
const REMEMBERED: usize = 256;

/// What names a popup: its connection and what the server calls its subject.
pub(super) type Key = (String, String);

#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// The newest last.
    shown: VecDeque<(Key, Shown)>,
    /// What the server took back.
    to_close: VecDeque<Shown>,
}

impl Remembered {
    pub(super) fn id(&self, key: &Key) -> Option<u32> {
        self.shown.iter().find(|(shown, _)| shown == key).map(|(_, shown)| shown.id)
    }

    pub(super) fn showed(&mut self, key: Key, shown: Shown) {
        self.forget(&key);
        self.shown.push_back((key, shown));
        if self.shown.len() > REMEMBERED {
            self.shown.pop_front();
        }
    }

    pub(super) fn forget(&mut self, key: &Key) -> Option<Shown> {
        let index = self.shown.iter().position(|(shown, _)| shown == key)?;
        self.shown.remove(index).map(|(_, shown)| shown)
    }

    pub(super) fn close(&mut self, shown: Shown) {
        self.to_close.push_back(shown);
        if self.to_close.len() > REMEMBERED {
            self.to_close.pop_front();
        }
    }

    pub(super) fn has_to_close(&self) -> bool {
        !self.to_close.is_empty()
    }

    /// What is to be closed on this service. What another one showed has gone with it and is forgotten.
    pub(super) fn take_to_close(&mut self, service: &Service) -> Vec<Shown> {
        self.shown.retain(|(_, shown)| shown.service == *service);
        self.to_close.drain(..).filter(|shown| shown.service == *service).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_popups_there_were_a_bounded_number_is_remembered() {
        let mut remembered = Remembered::default();
        for id in 0..10_000 {
            remembered.showed(key(id), shown(id));
        }
        assert_eq!((remembered.shown.len(), remembered.id(&key(9_999))), (REMEMBERED, Some(9_999)));
        assert_eq!(remembered.id(&key(0)), None);
        for id in 0..10_000 {
            remembered.close(shown(id));
        }
        let to_close = remembered.take_to_close(&Service::default());
        assert_eq!((to_close.len(), to_close.last()), (REMEMBERED, Some(&shown(9_999))));
    }

    #[test]
    fn what_another_service_showed_is_neither_replaced_nor_closed() {
        let mut remembered = Remembered::default();
        remembered.showed(key(1), shown(1));
        remembered.close(shown(2));
        assert_eq!(remembered.take_to_close(&Service::named("another")), []);
        assert_eq!(remembered.id(&key(1)), None);
        assert!(!remembered.has_to_close());
    }

    fn key(id: u32) -> Key {
        ("crm".to_owned(), id.to_string())
    }

    fn shown(id: u32) -> Shown {
        Shown { service: Service::default(), id }
    }
}
