//! A notification service that writes down what it is told and can be difficult.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, fdo, interface};

/// How it treats calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Fine,
    /// Answers nothing until the mood changes, as if stopped.
    Hung,
    /// Answers questions, and popups only when the mood changes.
    SlowToShow,
    /// Refuses popups.
    Refusing,
}

/// What it is.
#[derive(Clone)]
pub struct Kind {
    pub name: &'static str,
    pub renders_markup: bool,
}

pub const PLAIN: Kind = Kind { name: "plain", renders_markup: false };

/// A popup as it was told.
#[derive(Clone, Debug)]
pub struct Shown {
    pub app_name: String,
    pub replaces_id: u32,
    pub icon: String,
    pub summary: String,
    pub body: String,
    pub actions: Vec<String>,
    pub hints: HashMap<String, OwnedValue>,
    pub timeout: i32,
}

/// A running service; it leaves the bus when dropped.
pub struct Service {
    connection: Connection,
    mood: watch::Sender<Mood>,
    shown: Arc<Mutex<Vec<Shown>>>,
    told: watch::Receiver<usize>,
    closed: watch::Receiver<Vec<u32>>,
}

impl Service {
    pub async fn start(kind: Kind) -> Self {
        let (mood, moods) = watch::channel(Mood::Fine);
        let (count, told) = watch::channel(0);
        let shown = Arc::<Mutex<Vec<Shown>>>::default();
        let (closing, closed) = watch::channel(Vec::new());
        let interface = Interface { kind, moods, shown: Arc::clone(&shown), count, closing };
        let connection = zbus::connection::Builder::session()
            .unwrap()
            .serve_at("/org/freedesktop/Notifications", interface)
            .unwrap()
            .name("org.freedesktop.Notifications")
            .unwrap()
            .build()
            .await
            .unwrap();
        Self { connection, mood, shown, told, closed }
    }

    pub fn set_mood(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Waits until so many popups were told in all, and a moment for one too many; returns all of them.
    pub async fn shown(&mut self, count: usize) -> Vec<Shown> {
        let enough = self.told.wait_for(|told| *told >= count);
        let enough = tokio::time::timeout(Duration::from_secs(20), enough).await.is_ok();
        assert!(enough, "only these were shown: {:?}", self.summaries());
        tokio::time::sleep(Duration::from_millis(150)).await;
        self.shown.lock().unwrap().clone()
    }

    /// Waits until so many popups were told to be closed in all, and a moment for one too many; returns their ids.
    pub async fn closed(&mut self, count: usize) -> Vec<u32> {
        let enough = self.closed.wait_for(|closed| closed.len() >= count);
        let enough = tokio::time::timeout(Duration::from_secs(20), enough).await.is_ok();
        assert!(enough, "only these were closed: {:?}", *self.closed.borrow());
        tokio::time::sleep(Duration::from_millis(150)).await;
        self.closed.borrow().clone()
    }

    pub fn summaries(&self) -> Vec<String> {
        self.shown.lock().unwrap().iter().map(|shown| shown.summary.clone()).collect()
    }

    /// How many connections the bus has, this one included.
    pub async fn connections_of_bus(&self) -> usize {
        let bus = fdo::DBusProxy::new(&self.connection).await.unwrap();
        bus.list_names().await.unwrap().iter().filter(|name| name.starts_with(':')).count()
    }

    /// Leaves the bus without answering what was asked.
    pub async fn die(self) {
        self.connection.close().await.unwrap();
    }
}

struct Interface {
    kind: Kind,
    moods: watch::Receiver<Mood>,
    shown: Arc<Mutex<Vec<Shown>>>,
    count: watch::Sender<usize>,
    closing: watch::Sender<Vec<u32>>,
}

impl Interface {
    async fn wait_while(&self, unwilling: &[Mood]) {
        let mut moods = self.moods.clone();
        // Without a sender the service is gone, and nobody is answered.
        if moods.wait_for(|mood| !unwilling.contains(mood)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[interface(name = "org.freedesktop.Notifications")]
impl Interface {
    async fn get_capabilities(&self) -> Vec<String> {
        self.wait_while(&[Mood::Hung]).await;
        let markup = self.kind.renders_markup.then_some("body-markup");
        ["body"].into_iter().chain(markup).map(str::to_owned).collect()
    }

    async fn get_server_information(&self) -> (String, String, String, String) {
        self.wait_while(&[Mood::Hung]).await;
        (self.kind.name.to_owned(), "tests".to_owned(), "1".to_owned(), "1.2".to_owned())
    }

    #[expect(clippy::too_many_arguments, reason = "the specification has them")]
    async fn notify(
        &self,
        app_name: String,
        replaces_id: u32,
        icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        timeout: i32,
    ) -> fdo::Result<u32> {
        self.wait_while(&[Mood::Hung, Mood::SlowToShow]).await;
        if *self.moods.borrow() == Mood::Refusing {
            return Err(fdo::Error::LimitsExceeded("too many notifications".to_owned()));
        }
        let mut shown = self.shown.lock().unwrap();
        shown.push(Shown { app_name, replaces_id, icon, summary, body, actions, hints, timeout });
        self.count.send_replace(shown.len());
        // As the specification has it.
        Ok(if replaces_id == 0 { u32::try_from(shown.len()).unwrap() } else { replaces_id })
    }

    async fn close_notification(&self, id: u32) {
        self.wait_while(&[Mood::Hung]).await;
        self.closing.send_modify(|closed| closed.push(id));
    }
}
