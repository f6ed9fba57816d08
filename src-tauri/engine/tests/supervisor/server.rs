//! A WebSocket server that tells what its clients do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::LIMIT;

/// A WebSocket server that tells what its clients do.
pub struct Server {
    pub address: std::net::SocketAddr,
    orders: tokio::sync::broadcast::Sender<Order>,
    happened: mpsc::UnboundedReceiver<Happened>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    most: AtomicUsize,
    total: AtomicUsize,
}

#[derive(Clone, Debug)]
enum Order {
    Send(String),
    Drop,
}

#[derive(Debug)]
enum Happened {
    Opened,
    Received(String),
    Closed(Option<u16>),
}

impl Server {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (orders, _) = tokio::sync::broadcast::channel(64);
        let (tell, happened) = mpsc::unbounded_channel();
        let counts = Arc::new(Counts::default());
        let (orders_for, counts_for) = (orders.clone(), counts.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(client(stream, orders_for.subscribe(), tell.clone(), counts_for.clone()));
            }
        });
        Self { address, orders, happened, counts }
    }

    pub fn connection(&self, name: &str) -> String {
        let reconnect = "[connections.reconnect]\nfirst = \"300ms\"\ncap = \"1s\"\n\n";
        format!("[[connections]]\nname = \"{name}\"\nurl = \"ws://{}/\"\n{reconnect}", self.address)
    }

    pub fn send(&self, text: &str) {
        self.orders.send(Order::Send(text.into())).unwrap();
    }

    pub fn drop_all(&self) {
        self.orders.send(Order::Drop).unwrap();
    }

    pub fn open_now(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    pub fn most_open(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }

    pub fn opened_so_far(&self) -> usize {
        self.counts.total.load(Ordering::SeqCst)
    }

    async fn next(&mut self) -> Happened {
        tokio::time::timeout(LIMIT, self.happened.recv()).await.expect("the server saw nothing").unwrap()
    }

    pub async fn opened(&mut self) {
        while !matches!(self.next().await, Happened::Opened) {}
    }

    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Happened::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    pub async fn received(&mut self) -> String {
        loop {
            if let Happened::Received(text) = self.next().await {
                return text;
            }
        }
    }
}

async fn client(
    stream: tokio::net::TcpStream,
    mut orders: tokio::sync::broadcast::Receiver<Order>,
    tell: mpsc::UnboundedSender<Happened>,
    counts: Arc<Counts>,
) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let open = counts.open.fetch_add(1, Ordering::SeqCst) + 1;
    counts.most.fetch_max(open, Ordering::SeqCst);
    counts.total.fetch_add(1, Ordering::SeqCst);
    let _ = tell.send(Happened::Opened);
    let code = loop {
        tokio::select! {
            order = orders.recv() => match order {
                Ok(Order::Send(text)) => socket.send(Message::text(text)).await.unwrap(),
                _ => break None,
            },
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => { let _ = tell.send(Happened::Received(text.to_string())); }
                Some(Ok(Message::Close(close))) => break close.map(|close| close.code.into()),
                Some(Ok(_)) => {}
                _ => break None,
            },
        }
    };
    counts.open.fetch_sub(1, Ordering::SeqCst);
    if code.is_some() {
        // Lets the closing handshake end.
        let _ = socket.next().await;
    }
    let _ = tell.send(Happened::Closed(code));
}
