//! A WebSocket server that lets in who shows the right `Authorization`, and remembers what it was shown.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

pub struct Server {
    pub address: String,
    door: Arc<Door>,
}

#[derive(Default)]
struct Door {
    /// None: everybody.
    accepted: Mutex<Option<String>>,
    shown: Mutex<Vec<Option<String>>>,
}

impl Server {
    pub async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("ws://{}/", listener.local_addr().unwrap());
        let door = Arc::new(Door::default());
        let keeper = door.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, keeper.clone()));
            }
        });
        Self { address, door }
    }

    /// Lets in only this.
    pub fn accept_only(&self, authorization: &str) {
        *self.door.accepted.lock().unwrap() = Some(authorization.to_owned());
    }

    /// Every `Authorization` it was shown so far.
    pub fn shown(&self) -> Vec<Option<String>> {
        self.door.shown.lock().unwrap().clone()
    }

    /// The last of them.
    pub fn last(&self) -> Option<String> {
        self.shown().pop().expect("nobody came")
    }
}

async fn serve(stream: TcpStream, door: Arc<Door>) {
    #[expect(clippy::result_large_err, reason = "the library wants it so")]
    let judge = |request: &Request, response: Response| {
        let shown = request.headers().get("Authorization").map(|field| field.to_str().unwrap().to_owned());
        door.shown.lock().unwrap().push(shown.clone());
        let accepted = door.accepted.lock().unwrap();
        if accepted.is_none() || *accepted == shown {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        Err(refusal)
    };
    if let Ok(mut socket) = accept_hdr_async(stream, judge).await {
        while let Some(Ok(_)) = socket.next().await {}
    }
}
