//! From forms to a connection: what a person wrote lies over the preset, the preset over the defaults; then every rule
//! is checked, and every error is told at once.

use std::collections::{BTreeMap, HashSet};

use super::form::{AuthForm, ConnectionForm, HeartbeatForm, MessageForm, ProxyForm, ReconnectForm, TlsForm};
use super::preset::Preset;
use super::validate::{Errors, FieldError, FieldErrorCode, shown};
use super::{Connection, auth, dialect, fields, proxy, tls};
use crate::dialect::{Beat, Spec};
use crate::link::{Backoff, Heartbeat, HeartbeatKind, Jitter};

/// `form` over its preset over `defaults`, complete and valid; or every error, each at its field.
pub fn resolve(
    form: &ConnectionForm,
    defaults: &ConnectionForm,
    presets: &[Preset],
) -> Result<Connection, Vec<FieldError>> {
    let mut errors = Errors::default();
    let preset = form.preset.as_deref().and_then(|id| find_preset(id, presets, &mut errors));
    let given = preset.map_or_else(|| form.clone(), |preset| overlay(form, &preset.connection));
    let merged = overlay(&given, defaults);
    let name = fields::name(merged.name.as_deref(), &mut errors);
    let url = fields::url("url", merged.url.as_deref(), &mut errors);
    let spec = dialect::spec(merged.dialect.as_deref(), &mut errors);
    let url = url.filter(|url| dialect::url_taken(spec, url, &mut errors));
    let on_open = fields::on_open(merged.on_open.as_deref().unwrap_or_default(), &mut errors);
    let headers = fields::headers(&merged.headers.unwrap_or_default(), &mut errors);
    let subprotocols = fields::subprotocols(merged.subprotocols.as_deref().unwrap_or_default(), &mut errors);
    let connect_timeout = fields::duration("connect_timeout", merged.connect_timeout.as_deref(), &mut errors);
    let heartbeat_form = merged.heartbeat.unwrap_or_default();
    let heartbeat = heartbeat(&heartbeat_form, spec, &mut errors);
    let sockjs = dialect::sockjs(spec, merged.sockjs.as_deref(), &mut errors);
    let subscribe = merged.subscribe.unwrap_or_default();
    let dialect = dialect::dialect(spec, subscribe, &heartbeat_form, merged.message.unwrap_or_default(), &mut errors);
    let dialect = dialect.zip(on_open).and_then(|(dialect, on_open)| {
        dialect::texts_taken(&dialect, &on_open, heartbeat.as_ref(), &mut errors).then_some((dialect, on_open))
    });
    let backoff = backoff(&merged.reconnect.unwrap_or_default(), form.reconnect.as_ref(), &mut errors);
    let auth = auth::auth(&merged.auth.unwrap_or_default(), given.auth.as_ref(), &mut errors);
    let tls = tls::tls(&merged.tls.unwrap_or_default(), &mut errors);
    let proxy = proxy::proxy(&merged.proxy.unwrap_or_default(), &mut errors);
    let access = auth.zip(tls).zip(proxy);

    match (errors.is_empty(), name, url, dialect, headers, subprotocols, connect_timeout, heartbeat, backoff, access) {
        (
            true,
            Some(name),
            Some(url),
            Some((dialect, on_open)),
            Some(headers),
            Some(subprotocols),
            Some(connect_timeout),
            Some(heartbeat),
            Some(backoff),
            Some(((auth, tls), proxy)),
        ) => Ok(Connection {
            name,
            url,
            sockjs,
            subprotocols: dialect.with_own(subprotocols),
            dialect,
            preset: form.preset.clone(),
            on_open,
            headers,
            heartbeat,
            backoff,
            connect_timeout,
            auth,
            tls,
            proxy,
        }),
        _ => Err(errors.into_list()),
    }
}

/// `upper` over `lower`: each key of `upper` that is given counts. The tables and `headers` are
/// joined key by key (header names without regard to capitals); what lies deeper, and lists, count as a whole.
pub fn overlay(upper: &ConnectionForm, lower: &ConnectionForm) -> ConnectionForm {
    let (upper, lower) = (upper.clone(), lower.clone());
    ConnectionForm {
        name: upper.name.or(lower.name),
        url: upper.url.or(lower.url),
        dialect: upper.dialect.or(lower.dialect),
        sockjs: upper.sockjs.or(lower.sockjs),
        preset: upper.preset.or(lower.preset),
        on_open: upper.on_open.or(lower.on_open),
        headers: join(upper.headers, lower.headers, overlay_headers),
        subprotocols: upper.subprotocols.or(lower.subprotocols),
        subscribe: upper.subscribe.or(lower.subscribe),
        connect_timeout: upper.connect_timeout.or(lower.connect_timeout),
        heartbeat: join(upper.heartbeat, lower.heartbeat, |upper, lower| HeartbeatForm {
            kind: upper.kind.or(lower.kind),
            send: upper.send.or(lower.send),
            reply: upper.reply.or(lower.reply),
            every: upper.every.or(lower.every),
            timeout: upper.timeout.or(lower.timeout),
            always: upper.always.or(lower.always),
        }),
        reconnect: join(upper.reconnect, lower.reconnect, |upper, lower| ReconnectForm {
            first: upper.first.or(lower.first),
            cap: upper.cap.or(lower.cap),
            fixed: upper.fixed.or(lower.fixed),
            jitter: upper.jitter.or(lower.jitter),
        }),
        message: join(upper.message, lower.message, |upper, lower| MessageForm {
            title: upper.title.or(lower.title),
            body: upper.body.or(lower.body),
            id: upper.id.or(lower.id),
            ignore: upper.ignore.or(lower.ignore),
        }),
        auth: join(upper.auth, lower.auth, |upper, lower| AuthForm {
            kind: upper.kind.or(lower.kind),
            user: upper.user.or(lower.user),
            secret: upper.secret.or(lower.secret),
        }),
        tls: join(upper.tls, lower.tls, |upper, lower| TlsForm {
            ca_file: upper.ca_file.or(lower.ca_file),
            client_certificate: upper.client_certificate.or(lower.client_certificate),
            client_key: upper.client_key.or(lower.client_key),
            pin_sha256: upper.pin_sha256.or(lower.pin_sha256),
        }),
        proxy: join(upper.proxy, lower.proxy, |upper, lower| ProxyForm { url: upper.url.or(lower.url) }),
    }
}

fn join<T>(upper: Option<T>, lower: Option<T>, joined: impl FnOnce(T, T) -> T) -> Option<T> {
    match (upper, lower) {
        (Some(upper), Some(lower)) => Some(joined(upper, lower)),
        (upper, lower) => upper.or(lower),
    }
}

fn overlay_headers(upper: BTreeMap<String, String>, mut lower: BTreeMap<String, String>) -> BTreeMap<String, String> {
    lower.retain(|name, _| !upper.keys().any(|given| given.eq_ignore_ascii_case(name)));
    lower.extend(upper);
    lower
}

/// The error of a name that another connection has.
pub fn name_taken(name: &str) -> FieldError {
    FieldError {
        field: "name".to_owned(),
        code: FieldErrorCode::NameTaken,
        value: shown(name),
        message: format!("another connection has the name \"{}\": choose a different one", shown(name)),
    }
}

/// The positions of names that stand earlier in the list already, each with its error.
pub fn names_unique<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<(usize, FieldError)> {
    let mut seen = HashSet::new();
    let mut twice = Vec::new();
    for (at, name) in names.into_iter().map(str::trim).enumerate() {
        if !seen.insert(name) {
            twice.push((at, name_taken(name)));
        }
    }
    twice
}

fn find_preset<'a>(id: &str, presets: &'a [Preset], errors: &mut Errors) -> Option<&'a Preset> {
    let found = presets.iter().find(|preset| preset.id == id);
    if found.is_none() {
        let known: Vec<_> = presets.iter().map(|preset| format!("\"{}\"", preset.id)).collect();
        let message = format!("there is no preset \"{}\": use {}, or none", shown(id), known.join(", "));
        errors.push("preset", FieldErrorCode::UnknownPreset, id, message);
    }
    found
}

fn heartbeat(form: &HeartbeatForm, spec: Option<&Spec>, errors: &mut Errors) -> Option<Heartbeat> {
    let kinds = [("auto", 'a'), ("text", 't'), ("ping", 'p'), ("none", 'n')];
    let kind = match fields::choice("heartbeat.kind", form.kind.as_deref(), &kinds, errors) {
        Some('a') => spec.map(|spec| match spec.beat {
            Beat::Ping => HeartbeatKind::Ping,
            Beat::Own => HeartbeatKind::Own,
            Beat::Server => HeartbeatKind::None,
        }),
        Some('t') => send(form, errors).map(HeartbeatKind::Text),
        Some('p') => Some(HeartbeatKind::Ping),
        Some(_) => Some(HeartbeatKind::None),
        None => None,
    };
    let every = fields::duration("heartbeat.every", form.every.as_deref(), errors);
    let timeout = fields::duration("heartbeat.timeout", form.timeout.as_deref(), errors);
    Some(Heartbeat { kind: kind?, every: every?, timeout: timeout?, always: form.always.unwrap_or_default() })
}

fn send(form: &HeartbeatForm, errors: &mut Errors) -> Option<String> {
    let send = form.send.as_deref().unwrap_or_default();
    if send.is_empty() {
        let message = "a heartbeat of kind \"text\" needs the text to send: give it, or use kind = \"ping\"";
        errors.push("heartbeat.send", FieldErrorCode::Missing, "", message);
        return None;
    }
    fields::frame("heartbeat.send", send, errors)
}

fn backoff(form: &ReconnectForm, given: Option<&ReconnectForm>, errors: &mut Errors) -> Option<Backoff> {
    let first = fields::duration("reconnect.first", form.first.as_deref(), errors);
    let cap = fields::duration("reconnect.cap", form.cap.as_deref(), errors);
    let jitters = [("full", Jitter::Full), ("none", Jitter::None)];
    let jitter = fields::choice("reconnect.jitter", form.jitter.as_deref(), &jitters, errors);
    let fixed = match form.fixed.as_deref().map(str::trim) {
        None | Some("none") => Some(None),
        given => fields::duration("reconnect.fixed", given, errors).map(Some),
    };
    let (first, cap, fixed) = (first?, cap?, fixed?);
    if first > cap && fixed.is_none() {
        // The error stands where the person wrote something: a cap below the default of `first` is the cap's error.
        let only_cap = given.is_some_and(|given| given.cap.is_some() && given.first.is_none());
        let field = if only_cap { "reconnect.cap" } else { "reconnect.first" };
        let (first, cap) = (form.first.as_deref().unwrap_or_default(), form.cap.as_deref().unwrap_or_default());
        let message = format!("the first delay ({first}) is above the cap ({cap}): lower `first` or raise `cap`");
        errors.push(field, FieldErrorCode::FirstAboveCap, if only_cap { cap } else { first }, message);
        return None;
    }
    Some(Backoff { first, cap, fixed, jitter: jitter? })
}
