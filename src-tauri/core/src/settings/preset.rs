//! Presets: a ready connection for a known server, as data. A preset asks for what a person must give and fills the
//! answers into its templates.

use std::collections::{BTreeMap, HashSet};

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields;
use super::form::ConnectionForm;
use super::resolve::overlay;
use super::validate::{Errors, FieldError, FieldErrorCode, shown};
use crate::dialect::template;
use crate::text;

/// The longest answer, in bytes.
const ANSWER_MAX: usize = 4 * 1024;

/// A file of `config/presets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct Preset {
    /// The file's name without `.toml`; what `preset = "…"` names.
    pub id: String,
    /// In the window's list, English; the window's catalogue may have its own under `preset.<id>.title`.
    pub title: String,
    /// One sentence, English.
    pub about: String,
    /// What the person must give.
    pub ask: Vec<PresetField>,
    /// Templates (minijinja, with `urlencode` and `tojson`) of what the answers make; only these keys are written into
    /// the person's file, next to `preset`.
    pub answer: ConnectionForm,
    /// Everything else of the connection.
    pub connection: ConnectionForm,
}

/// A question of a preset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts", optional_fields))]
pub struct PresetField {
    /// The variable in the templates; errors come back as `answers.<name>`.
    pub name: String,
    /// English; the window's catalogue may have its own under `preset.<id>.<name>`.
    pub label: String,
    /// Shown in the empty field.
    pub example: String,
    /// What is checked.
    pub kind: PresetFieldKind,
}

/// What an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum PresetFieldKind {
    /// ws, wss, http or https.
    Url,
    /// Likewise, without a query: a path is put behind it, whether it ends with `/` or not.
    BaseUrl,
    /// Not empty.
    Text,
}

impl Preset {
    /// What `form` becomes with the answers: it names this preset and has what the answers make of its templates.
    /// Every answer that is missing or wrong is an error at `answers.<name>`.
    pub fn fill(
        &self,
        form: &ConnectionForm,
        answers: &BTreeMap<String, String>,
    ) -> Result<ConnectionForm, Vec<FieldError>> {
        self.fill_checked(form, answers, |_| Vec::new())
    }

    /// The same, with `check`, which finds what is wrong with the filled form. Every error comes at once: that of a field
    /// which the answers made at the last question that it is made of, unless one of those is wrong already.
    pub fn fill_checked(
        &self,
        form: &ConnectionForm,
        answers: &BTreeMap<String, String>,
        check: impl FnOnce(&ConnectionForm) -> Vec<FieldError>,
    ) -> Result<ConnectionForm, Vec<FieldError>> {
        let mut errors = Errors::default();
        let checked = self.check(answers, &mut errors);
        let made = self.render(&checked);
        if let Err(why) = &made
            && errors.is_empty()
        {
            // Only a preset with a fault of its own comes here; a test renders each one.
            let message = format!("the preset \"{}\" cannot use this answer ({why}): choose another preset", self.id);
            let name = self.ask.first().map_or("", |field| field.name.as_str());
            errors.push(format!("answers.{name}"), FieldErrorCode::TemplateInvalid, "", message);
        }
        let is_made = made.is_ok();
        let made = ConnectionForm { preset: Some(self.id.clone()), ..overlay(&made.unwrap_or_default(), form) };
        let mut errors = errors.into_list();
        let wrong: Vec<_> = errors.iter().map(|error| error.field.clone()).collect();
        for error in check(&made) {
            match self.questions(&error.field).as_slice() {
                [] => errors.push(error),
                questions if !is_made || questions.iter().any(|question| wrong.contains(question)) => {}
                [.., last] => errors.push(FieldError { field: last.clone(), ..error }),
            }
        }
        if errors.is_empty() { Ok(made) } else { Err(errors) }
    }

    /// The questions that a field is made of, as `answers.<name>`, in their order; none: the answers did not make it.
    fn questions(&self, field: &str) -> Vec<String> {
        let answer = serde_json::to_value(&self.answer).unwrap_or_default();
        let mut used = HashSet::new();
        // `subscribe` stands for all of its entries, and `headers.Origin` for itself.
        let path =
            field.replace('[', ".").replace(']', "").split('.').fold(String::new(), |path, key| path + "/" + key);
        answer.pointer(&path).into_iter().for_each(|made| variables(made, &mut used));
        let asked = self.ask.iter().filter(|question| used.contains(&question.name));
        asked.map(|question| format!("answers.{}", question.name)).collect()
    }

    /// The answers as the templates may use them.
    fn check(&self, answers: &BTreeMap<String, String>, errors: &mut Errors) -> BTreeMap<String, String> {
        for name in answers.keys().filter(|name| !self.ask.iter().any(|field| field.name == **name)) {
            let message = format!("the preset \"{}\" does not ask for \"{}\": leave it out", self.id, shown(name));
            errors.push(format!("answers.{}", shown(name)), FieldErrorCode::UnknownKey, name, message);
        }
        let answer = |field: &PresetField| answers.get(&field.name).map_or("", |answer| answer.trim());
        self.ask.iter().map(|field| (field.name.clone(), field.check(answer(field), errors))).collect()
    }

    /// Every text of `answer` as a template over the answers.
    fn render(&self, answers: &BTreeMap<String, String>) -> Result<ConnectionForm, String> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut answer = serde_json::to_value(&self.answer).map_err(|error| error.to_string())?;
        render_texts(&mut answer, &environment, answers)?;
        serde_json::from_value(answer).map_err(|error| error.to_string())
    }
}

impl PresetField {
    fn check(&self, answer: &str, errors: &mut Errors) -> String {
        let path = format!("answers.{}", self.name);
        if answer.is_empty() {
            let message = format!("this is missing: give the {}, such as {}", self.label, self.example);
            errors.push(path, FieldErrorCode::Missing, "", message);
        } else if answer.len() > ANSWER_MAX {
            let message = format!("this has {} bytes: use at most {ANSWER_MAX}", answer.len());
            errors.push(path, FieldErrorCode::TooLong, answer, message);
        } else if self.kind == PresetFieldKind::Text && text::has_hidden(answer) {
            // They come along when one copies from a page, and no server knows the result.
            let message = "this has characters that cannot be seen: type it instead of pasting it";
            errors.push(path, FieldErrorCode::TextInvalid, answer, message);
        } else if self.kind != PresetFieldKind::Text {
            let url = fields::url(&path, Some(answer), errors);
            if self.kind == PresetFieldKind::BaseUrl {
                if url.is_some_and(|url| url.query().is_some()) {
                    let message = "a path is put behind this address: leave out the \"?\" and what follows";
                    errors.push(path, FieldErrorCode::UrlInvalid, answer, message);
                }
                return answer.trim_end_matches('/').to_owned();
            }
        }
        answer.to_owned()
    }
}

/// What the templates in `value` are made of.
fn variables(value: &Value, used: &mut HashSet<String>) {
    match value {
        Value::String(text) => {
            if let Ok(template) = Environment::new().template_from_str(text) {
                used.extend(template.undeclared_variables(false));
            }
        }
        Value::Array(list) => list.iter().for_each(|value| variables(value, used)),
        Value::Object(map) => map.values().for_each(|value| variables(value, used)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn render_texts(
    value: &mut Value,
    environment: &Environment<'_>,
    answers: &BTreeMap<String, String>,
) -> Result<(), String> {
    match value {
        Value::String(text) => {
            *text = environment.render_str(text, answers).map_err(|error| template::words(&error))?;
            Ok(())
        }
        Value::Array(list) => list.iter_mut().try_for_each(|value| render_texts(value, environment, answers)),
        Value::Object(map) => map.values_mut().try_for_each(|value| render_texts(value, environment, answers)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}
