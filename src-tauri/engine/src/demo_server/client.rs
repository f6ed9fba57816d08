//! One client of the demo server and its run of the script.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};

use super::script::Action;
use super::{House, What};

/// How long a client may take to ask for the upgrade, and to answer a close.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest message that is taken, in bytes.
const LIMIT: usize = 1024 * 1024;

pub(super) struct Client {
    number: u64,
    from: SocketAddr,
    house: Arc<House>,
}

/// How a connection ended.
enum End {
    /// We ended it, and said so.
    Ours,
    Left(String),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Left(error.to_string())
    }
}

impl Client {
    pub(super) fn new(number: u64, from: SocketAddr, house: Arc<House>) -> Self {
        Self { number, from, house }
    }

    pub(super) async fn serve(self, stream: TcpStream) {
        // Without it a heartbeat's answer may wait for the next one; it is only slower then.
        let _ = stream.set_nodelay(true);
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .max_message_size(Some(LIMIT))
            .max_frame_size(Some(LIMIT));
        let how = match timeout(PATIENCE, accept_async_with_config(stream, Some(config))).await {
            Err(_) => "it asked for no upgrade".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(mut socket)) => {
                self.tell(What::Came(self.from));
                match self.run(&mut socket).await {
                    End::Ours => return,
                    End::Left(how) => how,
                }
            }
        };
        self.tell(What::Left(how));
    }

    /// Plays the script, then answers heartbeats for as long as the client stays.
    async fn run(&self, socket: &mut WebSocketStream<TcpStream>) -> End {
        let played = match self.house.script.every {
            Some(every) => self.play_by_the_clock(socket, every).await,
            None => self.play(socket).await,
        };
        match played {
            Err(end) => end,
            Ok(()) => self.listen(socket, None).await.err().unwrap_or(End::Ours),
        }
    }

    async fn play(&self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), End> {
        let script = &self.house.script;
        loop {
            for step in &script.steps {
                self.listen(socket, Some(Instant::now() + step.after)).await?;
                self.act(socket, &step.action).await?;
            }
            if !script.repeat || script.steps.is_empty() {
                return Ok(());
            }
        }
    }

    /// Takes part in the steps that begin from now on.
    async fn play_by_the_clock(&self, socket: &mut WebSocketStream<TcpStream>, every: Duration) -> Result<(), End> {
        let opened = Instant::now();
        let mut turn = self.house.started;
        while turn + every <= opened {
            turn += every;
        }
        loop {
            let mut at = turn;
            for step in &self.house.script.steps {
                at += step.after;
                if at >= opened {
                    self.listen(socket, Some(at)).await?;
                    self.act(socket, &step.action).await?;
                }
                at += step.action.length();
            }
            turn += every;
            self.listen(socket, Some(turn)).await?;
        }
    }

    /// Answers what comes, until then or for ever.
    async fn listen(&self, socket: &mut WebSocketStream<TcpStream>, until: Option<Instant>) -> Result<(), End> {
        let over = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        loop {
            let message = tokio::select! {
                () = &mut over => return Ok(()),
                message = socket.next() => message,
            };
            match message {
                Some(Ok(Message::Text(text))) => self.answer(socket, text).await?,
                Some(Ok(Message::Close(frame))) => {
                    // The library has queued the answer.
                    socket.flush().await?;
                    let how = frame.map_or_else(|| "closed".to_owned(), |frame| format!("closed with {}", frame.code));
                    return Err(End::Left(how));
                }
                Some(Ok(Message::Ping(_))) => socket.flush().await?,
                Some(Ok(Message::Binary(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(End::Left("closed".to_owned())),
            }
        }
    }

    async fn answer(&self, socket: &mut WebSocketStream<TcpStream>, text: Utf8Bytes) -> Result<(), End> {
        if text == self.house.script.heartbeat.as_str() {
            socket.send(Message::Text(text)).await?;
            self.tell(What::Beat);
            return Ok(());
        }
        self.tell(What::Said(text.to_string()));
        let echo = format!("You sent: {text}");
        let answer = serde_json::json!({ "title": "The demo server heard you", "text": echo, "id": self.id() });
        self.send(socket, answer.to_string()).await
    }

    async fn act(&self, socket: &mut WebSocketStream<TcpStream>, action: &Action) -> Result<(), End> {
        match action {
            Action::Send(texts) => {
                let told = self.house.told.fetch_add(1, Ordering::Relaxed);
                let turn = usize::try_from(told).unwrap_or(0).checked_rem(texts.len()).unwrap_or(0);
                let Some(text) = texts.get(turn) else { return Ok(()) };
                self.send(socket, text.replace("{id}", &self.id_of(told))).await
            }
            Action::Silence(time) => {
                self.tell(What::Silent(*time));
                sleep(*time).await;
                self.tell(What::Back);
                Ok(())
            }
            Action::Close(code) => {
                let frame = CloseFrame { code: (*code).into(), reason: "".into() };
                self.tell(What::Closed(*code));
                let handshake = async {
                    socket.close(Some(frame)).await?;
                    while socket.next().await.is_some_and(|message| message.is_ok()) {}
                    Ok::<(), Error>(())
                };
                // Whether the client answered in time or not, this is the end.
                let _ = timeout(PATIENCE, handshake).await;
                Err(End::Ours)
            }
            Action::Drop => {
                // Otherwise the system would end the connection in good order.
                let _ = socket.get_ref().set_zero_linger();
                self.tell(What::Dropped);
                Err(End::Ours)
            }
        }
    }

    async fn send(&self, socket: &mut WebSocketStream<TcpStream>, text: String) -> Result<(), End> {
        socket.send(Message::text(text.clone())).await?;
        self.tell(What::Sent(text));
        Ok(())
    }

    fn id(&self) -> String {
        self.id_of(self.house.told.fetch_add(1, Ordering::Relaxed))
    }

    fn id_of(&self, told: u64) -> String {
        format!("demo-{}-{told}", self.house.run)
    }

    fn tell(&self, what: What) {
        self.house.tell(self.number, what);
    }
}
