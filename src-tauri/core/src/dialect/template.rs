//! The person's templates over a frame: minijinja, without access to anything but the frame, and with an end in sight
//! whatever the frame holds.

use std::io;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, context};

/// Instructions a rendering may take: hundreds of times what a template needs, and about a millisecond.
const FUEL: u64 = 50_000;

/// Bytes a rendering may give; the rest is dropped. Far above what is kept of a title or a body.
const OUTPUT_MAX: usize = 256 * 1024;

/// An environment in which what a frame lacks is empty: lookups may go through undefined values, `null` is as good as
/// undefined for `default` and prints nothing, objects and arrays print as compact JSON.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    // Its errors would carry the frame along.
    environment.set_debug(false);
    environment.set_formatter(format);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment
}

/// Adds an expression as a template that prints something where the expression is true.
pub(crate) fn add_expression(environment: &mut Environment<'static>, name: String, source: &str) -> Result<(), Error> {
    // Compiled on its own first, so that it cannot end the condition it is put into.
    environment.compile_expression_owned(source.to_owned())?;
    environment.add_template_owned(name, format!("{{% if ({source}) %}}1{{% endif %}}"))
}

/// What the templates see of a frame.
pub(crate) fn frame_context(json: &Value, text: &str, topic: Option<&str>, connection: &str) -> Value {
    context! { json, text, topic, connection }
}

/// The template of this name over `frame`, cut at a size no message needs.
pub(crate) fn render(environment: &Environment<'static>, name: &str, frame: &Value) -> Result<String, Error> {
    let mut output = Limited(Vec::new());
    match environment.get_template(name)?.render_captured_to(frame, &mut output) {
        Ok(_) => {}
        // It was cut.
        Err(error) if error.kind() == ErrorKind::WriteFailure && output.0.len() >= OUTPUT_MAX => {}
        Err(error) => return Err(error),
    }
    Ok(String::from_utf8(output.0).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Whether a template can be used; if not, why.
pub(crate) fn check(source: &str) -> Result<(), String> {
    let mut environment = environment();
    try_out(&environment.add_template_owned("template", source.to_owned()).map(|()| environment), "template")
}

/// Whether an expression can be used; if not, why.
pub(crate) fn check_expression(source: &str) -> Result<(), String> {
    let mut environment = environment();
    try_out(&add_expression(&mut environment, "expression".to_owned(), source).map(|()| environment), "expression")
}

/// Filters, tests and functions are looked up only when they are reached: an empty frame reaches most of them.
fn try_out(environment: &Result<Environment<'static>, Error>, name: &str) -> Result<(), String> {
    let environment = environment.as_ref().map_err(words)?;
    match render(environment, name, &frame_context(&Value::UNDEFINED, "", None, "")) {
        Err(error) if is_unknown_word(&error) => Err(words(&error)),
        _ => Ok(()),
    }
}

fn is_unknown_word(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::TemplateNotFound
    )
}

/// The error without the name of the template, which nobody gave it.
pub(crate) fn words(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

fn default(value: &Value, other: Option<Value>, lax: Option<bool>) -> Value {
    let missing = value.is_undefined() || value.is_none() || (lax == Some(true) && !value.is_true());
    if missing { other.unwrap_or_else(|| Value::from("")) } else { value.clone() }
}

fn format(output: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let written = match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(()),
        ValueKind::Bool | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            let json = serde_json::to_string(value)
                .map_err(|error| Error::new(ErrorKind::BadSerialization, "this has no JSON").with_source(error))?;
            output.write_str(&json)
        }
        _ => match value.as_str() {
            Some(text) => output.write_str(text),
            None => write!(output, "{value}"),
        },
    };
    written.map_err(Error::from)
}

/// Takes no more than [`OUTPUT_MAX`] bytes.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = OUTPUT_MAX - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(source: &str, json: &str) -> Result<String, String> {
        let mut environment = environment();
        environment.add_template_owned("t", source.to_owned()).map_err(|error| words(&error))?;
        let value = serde_json::from_str::<serde_json::Value>(json).map_or(Value::UNDEFINED, Value::from_serialize);
        render(&environment, "t", &frame_context(&value, json, None, "crm")).map_err(|error| words(&error))
    }

    #[test]
    fn what_a_frame_lacks_is_empty() {
        let check = |source: &str, json: &str, expected: &str| {
            assert_eq!(rendered(source, json).as_deref(), Ok(expected), "{source} over {json}");
        };
        check("{{ json.title | default(connection) }}", r#"{"title":"Hi"}"#, "Hi");
        check("{{ json.title | default(connection) }}", r#"{"title":null}"#, "crm");
        check("{{ json.title | default(connection) }}", "not json", "crm");
        check("{{ json.title | d(connection) }}", "[1]", "crm");
        check("{{ json.a.b.c }}", "7", "");
        check("{{ json.a }}", r#"{"a":null}"#, "");
        check("{{ json.a }}", r#"{"a":{"b":[1,null,"<"]}}"#, r#"{"b":[1,null,"<"]}"#);
        check("{{ json.a }}", r#"{"a":true}"#, "true");
        check("{{ json.a }}", r#"{"a":"<b>"}"#, "<b>");
        check("{{ json.a | default('x', true) }}", r#"{"a":""}"#, "x");
    }

    #[test]
    fn a_template_comes_to_an_end() {
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        assert!(rendered(endless, "1").is_err_and(|why| why.contains("fuel")));
        let wide = format!("{{% for a in range(900) %}}{}{{% endfor %}}", "x".repeat(1_000));
        assert_eq!(rendered(&wide, "1").map(|text| text.len()), Ok(OUTPUT_MAX));
    }

    #[test]
    fn what_cannot_work_is_found_before_it_is_used() {
        for good in ["", "plain", "{{ json.a.b | upper }}", "{{ text | length }}"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["{{ json.a", "{% if %}", "{{ text | uper }}", "{{ nothing() }}", "{% include 'x' %}"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for good in ["json.type == 'ack'", "text is startingwith('x')", "json.a.b in ['c']"] {
            assert_eq!(check_expression(good), Ok(()), "{good}");
        }
        for bad in ["", "json.type = 'ack'", "json.type is akk", "1) %}x{% if (1", "json.a | nope"] {
            assert!(check_expression(bad).is_err(), "{bad}");
        }
    }
}
