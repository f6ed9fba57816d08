//! The lines of `listen --json`, letter by letter.

use heartwire_core::listen::Event;
use heartwire_core::view::LinkState;
use serde_json::Value;

use crate::home::with_one;

#[tokio::test]
async fn the_lines_of_an_outage_have_exactly_the_promised_keys() {
    let (server, _home, mut app) = with_one("crm").await;
    let connected = |event: &Event| matches!(event, Event::State { state: LinkState::Connected, .. });
    let mut lines = app.events_through(connected).await;
    server.drop_all();
    lines.extend(app.events_through(connected).await);
    lines.extend(app.events_through(|event| matches!(event, Event::Gap { .. })).await);
    let keys: Vec<_> = lines.iter().map(words).collect();
    assert_eq!(
        keys,
        [
            "state connecting: at attempt connection event state",
            "state connected: at connection event state",
            "state waiting: at attempt cause connection event retry_in_ms state",
            "state connecting: at attempt connection event state",
            "state connected: at connection event state",
            "gap: at complete connection event from missing recovered to",
        ]
    );
    let waiting = serde_json::to_value(&lines[2]).unwrap();
    assert_eq!(waiting["attempt"], 1);
    assert_eq!(waiting["cause"]["code"], "reset");
    assert!(waiting["at"].as_str().is_some_and(|at| at.len() == "2026-01-02T03:04:05.678Z".len() && at.ends_with('Z')));
    app.handle.stop().await;
}

fn words(event: &Event) -> String {
    let Value::Object(line) = serde_json::to_value(event).unwrap() else { panic!("{event:?}") };
    let mut keys: Vec<_> = line.keys().map(String::as_str).collect();
    keys.sort_unstable();
    let state = line.get("state").and_then(Value::as_str).map(|state| format!(" {state}")).unwrap_or_default();
    format!("{}{state}: {}", line["event"].as_str().unwrap_or_default(), keys.join(" "))
}
