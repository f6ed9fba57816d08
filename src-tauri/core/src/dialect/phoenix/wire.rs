//! What a Phoenix server's frames say, by version 2 of its serializer (`lib/phoenix/socket/serializers/v2_json_serializer.ex`).
//! A payload is never built: it may be large, and only its text or its size is wanted.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A frame of the server's.
pub(super) struct Heard<'a> {
    /// Empty where the frame is not of one join.
    pub(super) join_ref: String,
    pub(super) topic: String,
    pub(super) event: Event<'a>,
}

pub(super) enum Event<'a> {
    /// To the frame of ours that had this reference.
    Reply { reference: String, status: String, response: Option<&'a RawValue> },
    /// Anything else; of a binary one only the size is kept.
    Push { name: String, payload: Option<&'a RawValue> },
}

/// The payload of `phx_reply`.
#[derive(Deserialize)]
struct Reply<'a> {
    status: String,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

/// A frame of text.
pub(super) fn read_text(text: &str) -> Option<Heard<'_>> {
    type Array<'a> = (Option<String>, Option<String>, String, String, &'a RawValue);
    let (join_ref, reference, topic, name, payload): Array<'_> = serde_json::from_str(text).ok()?;
    let event = if name == "phx_reply" {
        let Reply { status, response } = serde_json::from_str(payload.get()).ok()?;
        Event::Reply { reference: reference.unwrap_or_default(), status, response }
    } else {
        Event::Push { name, payload: Some(payload) }
    };
    Some(Heard { join_ref: join_ref.unwrap_or_default(), topic, event })
}

/// A frame of bytes: a push, a reply or a broadcast with a head of short texts before its payload.
pub(super) fn read_binary(bytes: &[u8]) -> Option<Heard<'_>> {
    let (kind, rest) = bytes.split_first()?;
    let push = |name| Event::Push { name, payload: None };
    Some(match kind {
        0 => {
            let [join_ref, topic, name] = head(rest)?;
            Heard { join_ref, topic, event: push(name) }
        }
        1 => {
            let [join_ref, reference, topic, status] = head(rest)?;
            Heard { join_ref, topic, event: Event::Reply { reference, status, response: None } }
        }
        2 => {
            let [topic, name] = head(rest)?;
            Heard { join_ref: String::new(), topic, event: push(name) }
        }
        _ => return None,
    })
}

/// N lengths of one byte each, then the texts.
fn head<const N: usize>(bytes: &[u8]) -> Option<[String; N]> {
    let (lengths, mut rest) = bytes.split_first_chunk::<N>()?;
    let mut texts = [const { String::new() }; N];
    for (text, length) in texts.iter_mut().zip(lengths) {
        let (bytes, behind) = rest.split_at_checked(usize::from(*length))?;
        str::from_utf8(bytes).ok()?.clone_into(text);
        rest = behind;
    }
    Some(texts)
}
