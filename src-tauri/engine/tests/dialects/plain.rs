//! The plain dialect against `websockets` for Python and `ws` for Node.js.

use heartwire_core::dialect::{CaughtUp, Missing};
use serde_json::json;

use crate::server::Server;
use crate::watch::{Watch, connection};

#[tokio::test]
async fn a_message_comes_as_it_is_and_nothing_is_promised_of_what_was_missed() {
    for server in [Server::python("recipe.py", &["json-heart", "0"]), Server::node("recipe.cjs", &["json-heart", "0"])]
    {
        let mut server = server;
        let url = format!("http://127.0.0.1:{}", server.port);
        let connection = connection(json!({ "url": url, "preset": "json-heart", "on_open": [r#"{"id":"a1b2c3"}"#] }));
        let mut watch = Watch::start(&connection);
        watch.until_connected().await;
        assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
        server.wait_for("received");
        server.order(&json!({ "do": "send", "text": r#"{"title":"Order","text":"Two lamps"}"# }));
        watch.until_messages(1).await;
        assert_eq!((watch.messages[0].title.as_str(), watch.bodies()), ("Order", vec!["Two lamps"]));
        assert!(watch.end().await.is_none());
    }
}
