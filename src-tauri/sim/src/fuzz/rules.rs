//! What must hold after every input.

use std::time::Duration;

use heartwire_core::dialect::{Effects, Item, JSON_VALUES_MAX, Outgoing};
use heartwire_core::message::{Message, usable_id};
use heartwire_core::text::{BODY_SHOWN, TITLE_SHOWN, lines, one_line};

use super::socket::Cost;

/// The longest time for one input.
const TIME_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

/// Shorter inputs tell nothing of how memory grows with the length.
pub const FEW_BYTES: usize = 64 * 1024;

/// What a JSON value takes, as the library's and as the templates', in bytes.
const VALUE: usize = 1_400;

/// The longest cursor: it is written with every message.
const CURSOR_MAX: usize = 64 * 1024;

/// The most memory that an input of so many bytes may take while it is read, besides itself: some copies of its texts,
/// and up to [`JSON_VALUES_MAX`] JSON values, of which one that takes the most, `{"a":`, has five bytes.
pub const fn memory_max(bytes: usize) -> usize {
    let values = if bytes / 5 < JSON_VALUES_MAX { bytes / 5 } else { JSON_VALUES_MAX };
    1024 * 1024 + 8 * bytes + values * VALUE
}

/// What an input cost.
pub(super) fn affordable(bytes: usize, cost: Cost) -> Result<(), String> {
    let most = memory_max(bytes);
    if cost.time > TIME_MAX {
        return Err(format!("{bytes} bytes took {:?}", cost.time));
    }
    if cost.memory > most {
        return Err(format!("{bytes} bytes took {} bytes of memory, more than {most}", cost.memory));
    }
    Ok(())
}

/// What was said of an input, on a socket that has read so many bytes in so many events.
pub(super) fn bounded(effects: &Effects, bytes: usize, events: usize) -> Result<(), String> {
    let most = 16 * events + bytes;
    let sent = effects.frames.iter().map(|frame| match frame {
        Outgoing::Text(text) => text.len(),
        Outgoing::Binary(bytes) => bytes.len(),
    });
    let sent: usize = sent.sum();
    if effects.items.len() > most || effects.frames.len() > most || sent > 4096 * events + 8 * bytes {
        let (items, frames) = (effects.items.len(), effects.frames.len());
        return Err(format!("{items} items and {frames} frames of {sent} bytes after {bytes} bytes"));
    }
    effects.items.iter().try_for_each(safe)
}

fn safe(item: &Item) -> Result<(), String> {
    match item {
        Item::Message(message) if !is_safe(message) => Err(format!("an unsafe message: {message:?}")),
        Item::Cursor(cursor) if cursor.0.len() > CURSOR_MAX => Err(format!("a cursor of {} bytes", cursor.0.len())),
        _ => Ok(()),
    }
}

fn is_safe(message: &Message) -> bool {
    let whole = |id: &Option<String>| id.as_deref().is_none_or(|id| usable_id(id).as_deref() == Some(id));
    !message.title.is_empty()
        && one_line(&message.title, TITLE_SHOWN) == message.title
        && lines(&message.body, BODY_SHOWN) == message.body
        && whole(&message.id)
        && whole(&message.key)
        && (1..=5).contains(&message.priority)
}

#[cfg(test)]
mod tests {
    use heartwire_core::link::ResumeData;

    use super::*;

    #[test]
    fn what_costs_too_much_breaks_a_rule() {
        let cost = |time, memory| affordable(1_000, Cost { time, memory }).is_ok();
        assert!(cost(TIME_MAX, memory_max(1_000)));
        assert!(!cost(TIME_MAX + Duration::from_millis(1), 0));
        assert!(!cost(Duration::ZERO, memory_max(1_000) + 1));
    }

    #[test]
    fn what_is_unsafe_or_too_much_breaks_a_rule() {
        let good = Message::new("a", "crm", "b\nc", 1);
        let ok = |items: Vec<Item>| bounded(&Effects { items, ..Effects::default() }, 0, 1).is_ok();
        let says = |message: Message| ok(vec![Item::Message(message)]);
        assert!(says(good.clone()));
        assert!(!says(Message { title: String::new(), ..good.clone() }));
        assert!(!says(Message { title: "a\nb".to_owned(), ..good.clone() }));
        assert!(!says(Message { body: "\u{202e}".to_owned(), ..good.clone() }));
        assert!(!says(Message { body: "x".repeat(BODY_SHOWN + 1), ..good.clone() }));
        assert!(!says(Message { id: Some(" ".to_owned()), ..good.clone() }));
        assert!(!says(Message { key: Some("a\0".to_owned()), ..good.clone() }));
        assert!(!says(Message { priority: 6, ..good.clone() }));
        assert!(!ok(vec![Item::Cursor(ResumeData("x".repeat(CURSOR_MAX + 1)))]));
        assert!(!ok(vec![Item::Message(good); 17]));
        let frames = vec![Outgoing::Binary(vec![0; 4097])];
        assert!(bounded(&Effects { frames, ..Effects::default() }, 0, 1).is_err());
    }
}
