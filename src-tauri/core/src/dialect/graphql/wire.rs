//! What a server's messages say (`PROTOCOL.md` of enisdenjo/graphql-ws). A result is never built: it may be large, and only
//! its text is wanted.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::json::{bounded, elements};

/// A message of the protocol.
#[derive(Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: Option<String>,
    #[serde(borrow)]
    pub(super) payload: Option<&'a RawValue>,
}

/// What an operation came to (section 7.1 of GraphQL's specification).
#[derive(Deserialize)]
pub(super) struct Outcome<'a> {
    /// None: nothing was executed. It is null where that failed.
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) errors: Option<&'a RawValue>,
}

/// What is there, be it null.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(from).map(Some)
}

/// The first error of a list; null: there is none.
pub(super) fn first_error(errors: Option<&RawValue>) -> Value {
    let first = errors.and_then(|errors| elements(errors.get())?.first().and_then(|error| bounded(error.get())));
    first.unwrap_or_default()
}

/// Name and value of the only field of an object.
#[derive(Debug)]
pub(super) struct OnlyField<'a>(pub(super) String, pub(super) &'a RawValue);

impl<'de: 'a, 'a> Deserialize<'de> for OnlyField<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = OnlyField<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one field")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
                let first = from.next_entry()?.map(|(name, value)| OnlyField(name, value));
                match from.next_key::<IgnoredAny>()? {
                    None => first.ok_or_else(|| A::Error::custom("no field")),
                    Some(_) => Err(A::Error::custom("several fields")),
                }
            }
        }
        from.deserialize_map(One)
    }
}
