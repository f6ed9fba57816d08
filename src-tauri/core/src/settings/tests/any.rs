//! Whatever is in a form.

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = Option<String>> {
    let known = prop::sample::select(vec![
        "ws://h",
        "ping",
        "text",
        "5s",
        "none",
        "full",
        "plain",
        "sockjs",
        "crm-heartbeat",
        "{{ json.a }}",
        "$.a",
        "0s",
    ]);
    prop::option::of(prop_oneof![known.prop_map(str::to_owned), any::<String>()])
}

fn texts() -> impl Strategy<Value = Option<Vec<String>>> {
    prop::option::of(prop::collection::vec(any::<String>(), 0..3))
}

fn forms() -> impl Strategy<Value = ConnectionForm> {
    let reply = (text(), text(), text(), text()).prop_map(|(equals, contains, matches, json_path)| ReplyForm {
        equals,
        contains,
        matches,
        json_path,
    });
    let heartbeat = (text(), text(), prop::option::of(reply), text(), text(), any::<Option<bool>>()).prop_map(
        |(kind, send, reply, every, timeout, always)| HeartbeatForm { kind, send, reply, every, timeout, always },
    );
    let reconnect = (text(), text(), text(), text()).prop_map(|(first, cap, fixed, jitter)| ReconnectForm {
        first,
        cap,
        fixed,
        jitter,
    });
    let message =
        (text(), text(), text(), texts()).prop_map(|(title, body, id, ignore)| MessageForm { title, body, id, ignore });
    let headers = prop::option::of(prop::collection::btree_map(any::<String>(), any::<String>(), 0..3));
    (
        (text(), text(), text(), text(), text(), texts(), headers, texts(), texts(), text()),
        prop::option::of(heartbeat),
        prop::option::of(reconnect),
        prop::option::of(message),
        access(),
    )
        .prop_map(|(top, heartbeat, reconnect, message, (auth, tls, proxy))| {
            let (name, url, dialect, sockjs, preset, on_open, headers, subprotocols, subscribe, connect_timeout) = top;
            ConnectionForm {
                name,
                url,
                dialect,
                sockjs,
                preset,
                on_open,
                headers,
                subprotocols,
                subscribe,
                connect_timeout,
                heartbeat,
                reconnect,
                message,
                auth,
                tls,
                proxy,
            }
        })
}

fn access() -> impl Strategy<Value = (Option<AuthForm>, Option<TlsForm>, Option<ProxyForm>)> {
    let secret = (any::<Option<bool>>(), texts(), text(), text())
        .prop_map(|(keyring, command, env, file)| SecretForm { keyring, command, env, file });
    let auth =
        (text(), text(), prop::option::of(secret)).prop_map(|(kind, user, secret)| AuthForm { kind, user, secret });
    let tls = (text(), text(), text(), texts()).prop_map(|(ca_file, client_certificate, client_key, pin_sha256)| {
        TlsForm { ca_file, client_certificate, client_key, pin_sha256 }
    });
    let proxy = text().prop_map(|url| ProxyForm { url });
    (prop::option::of(auth), prop::option::of(tls), prop::option::of(proxy))
}

proptest! {
    #[test]
    fn any_form_is_a_connection_or_has_errors(form in forms(), bare in any::<bool>()) {
        let defaults = if bare { ConnectionForm::default() } else { defaults() };
        match resolve(&form, &defaults, &presets()) {
            Ok(connection) => {
                prop_assert!(matches!(connection.url.scheme(), "ws" | "wss"));
                // What was accepted works: a frame is decoded without a word of complaint about the settings.
                let mut effects = Effects::default();
                dialect::new(&connection).frame(Incoming::Text("{}"), &mut effects);
                prop_assert!(effects.trouble.is_none_or(|trouble| !trouble.contains("cannot be used")));
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(!error.message.is_empty() && error.value.chars().count() <= 80);
                }
            }
        }
    }

    #[test]
    fn what_lies_over_nothing_stays_and_nothing_over_it_changes_nothing(form in forms()) {
        let nothing = ConnectionForm::default();
        prop_assert_eq!(&overlay(&form, &nothing), &form);
        prop_assert_eq!(&overlay(&nothing, &form), &form);
        prop_assert_eq!(&overlay(&form, &form), &form);
    }
}
