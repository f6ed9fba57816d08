//! JSON from a server, within bounds: a frame of a few megabytes must not become a hundred times its size in memory.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The most values in one text. A message for a person has a few dozen; one takes up to 1,400 bytes as the library's and
/// as the templates', so that all of them take up to 14 MB.
pub const VALUES_MAX: usize = 10_000;

/// The most elements in an array whose elements are left as text.
const ELEMENTS_MAX: usize = 100_000;

/// The value of a JSON text. None: it is no JSON, nested deeper than 128 levels, or has more than [`VALUES_MAX`] values.
pub fn bounded(text: &str) -> Option<Value> {
    let left = Cell::new(VALUES_MAX);
    let mut from = serde_json::Deserializer::from_str(text);
    let value = Bounded { left: &left }.deserialize(&mut from).ok()?;
    from.end().ok()?;
    Some(value)
}

/// The elements of a JSON array, each as it stands in the text. None: it is no array, or has more than [`ELEMENTS_MAX`].
pub(crate) fn elements(text: &str) -> Option<Vec<&RawValue>> {
    let mut from = serde_json::Deserializer::from_str(text);
    let list = from.deserialize_seq(Elements).ok()?;
    from.end().ok()?;
    Some(list)
}

/// The text that a JSON string holds; any other value as it stands.
pub(crate) fn plain_text(value: &RawValue) -> Cow<'_, str> {
    serde_json::from_str::<String>(value.get()).map_or(Cow::Borrowed(value.get()), Cow::Owned)
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element()? {
            if list.len() == ELEMENTS_MAX {
                return Err(A::Error::custom("too many elements"));
            }
            list.push(value);
        }
        Ok(list)
    }
}

/// Builds a value while there are some left.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            map.insert(key, from.next_value_seed(self)?);
        }
        Ok(Value::Object(map))
    }
}

/// A JSON list of at most `MAX` entries; a longer one is refused before it is built.
#[derive(Debug)]
pub(crate) struct Few<T, const MAX: usize>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Few<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(FewVisitor::<T, MAX>(PhantomData)).map(Self)
    }
}

struct FewVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for FewVisitor<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = from.next_element()? {
            if list.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            list.push(entry);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_not_fit_is_no_json() {
        assert_eq!(
            bounded(&format!("[{}0]", "0,".repeat(VALUES_MAX - 2))).map(|v| v.as_array().unwrap().len()),
            Some(VALUES_MAX - 1)
        );
        assert_eq!(bounded(&format!("[{}0]", "0,".repeat(VALUES_MAX - 1))), None);
        assert_eq!(bounded(&format!("[{}[]]", "[],".repeat(14_000_000 / 3))), None);
        assert_eq!(bounded(&"[".repeat(100_000)), None);
        assert_eq!(bounded(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))), None);
        assert_eq!(bounded("1 2"), None);
    }

    #[test]
    fn a_list_of_a_few_has_a_few() {
        let few = |text: &str| serde_json::from_str::<Few<u8, 3>>(text).map(|few| few.0).ok();
        assert_eq!(few("[]"), Some(vec![]));
        assert_eq!(few("[1,2,3]"), Some(vec![1, 2, 3]));
        assert_eq!(few("[1,2,3,4]"), None);
        assert_eq!(few(&format!("[{}0]", "0,".repeat(7_000_000))), None);
        assert_eq!(few("{}"), None);
    }

    #[test]
    fn elements_stand_as_they_came() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let found =
                elements(text).map(|list| list.into_iter().map(|value| plain_text(value).into_owned()).collect());
            assert_eq!(
                found,
                expected.map(|list| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()),
                "{text}"
            );
        };
        check(" [] ", Some(&[]));
        check(r#"["a\u0041\n", {"b":1, "a":2} ,null,-0.50]"#, Some(&["aA\n", r#"{"b":1, "a":2}"#, "null", "-0.50"]));
        check(r#"["\ud800"]"#, Some(&[r#""\ud800""#]));
        for bad in ["", "{}", "1", "[", "[1,]", "[1]]", "[1] x", "[a]"] {
            check(bad, None);
        }
        let all = format!("[{}0]", "0,".repeat(ELEMENTS_MAX - 1));
        assert_eq!(elements(&all).map(|list| list.len()), Some(ELEMENTS_MAX));
        assert!(elements(&format!("[{}0]", "0,".repeat(ELEMENTS_MAX))).is_none());
        let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(elements(&deep).map(|list| list.len()), Some(1));
    }

    proptest! {
        #[test]
        fn within_the_bounds_it_is_what_the_library_reads(text in r#"[\[\]{},:"0-9a-z.eE+\-\\ntrufals ]{0,40}"#) {
            prop_assert_eq!(bounded(&text), serde_json::from_str::<Value>(&text).ok(), "{}", text);
        }
    }
}
