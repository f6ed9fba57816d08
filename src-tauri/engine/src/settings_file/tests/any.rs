//! Whatever is in a file or a form.

use heartwire_core::settings::{HeartbeatForm, ReplyForm};
use proptest::prelude::*;

use super::*;

fn texts() -> impl Strategy<Value = Option<String>> {
    prop::option::of(any::<String>())
}

fn forms() -> impl Strategy<Value = ConnectionForm> {
    let lists = || prop::option::of(prop::collection::vec(any::<String>(), 0..3));
    let reply =
        (texts(), texts()).prop_map(|(equals, json_path)| ReplyForm { equals, json_path, ..ReplyForm::default() });
    let heartbeat = (texts(), prop::option::of(reply), any::<Option<bool>>())
        .prop_map(|(send, reply, always)| HeartbeatForm { send, reply, always, ..HeartbeatForm::default() })
        .prop_filter("a table with nothing in it is not written", |form| *form != HeartbeatForm::default());
    let headers = prop::option::of(prop::collection::btree_map(any::<String>(), any::<String>(), 0..3));
    ("[a-z]{1,8}", texts(), lists(), headers, lists(), prop::option::of(heartbeat)).prop_map(
        |(name, url, on_open, headers, subprotocols, heartbeat)| ConnectionForm {
            name: Some(name),
            url,
            on_open,
            headers,
            subprotocols,
            heartbeat,
            ..ConnectionForm::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_saved_is_read_back_and_its_neighbours_stay(first in forms(), second in forms()) {
        let home = home(COMMENTED);
        let first = ConnectionForm { name: Some("new".to_owned()), ..first };
        let second = ConnectionForm { name: Some("other".to_owned()), ..second };
        let untouched = home.load().forms[0].clone();
        save_connection(home.file(), None, &first).unwrap();
        let forms = home.load().forms;
        prop_assert_eq!(forms.last(), Some(&first));
        save_connection(home.file(), Some("new"), &second).unwrap();
        let forms = home.load().forms;
        prop_assert_eq!(forms.last(), Some(&second));
        prop_assert!(forms.contains(&untouched));
        remove_connection(home.file(), "other").unwrap();
        prop_assert_eq!(home.load().forms, vec![untouched]);
        prop_assert!(home.text().contains("# The office.") && home.text().contains("# The end."));
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "[\\[\\]a-z={}'\"#.\n ]{0,200}") {
        let home = home(&text);
        home.load();
    }
}
