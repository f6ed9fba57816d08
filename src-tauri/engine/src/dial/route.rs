//! The way to a server, of a dial and of what is fetched beside its socket alike: through the proxy that there is at that
//! moment, with TLS for wss, and on to where the server redirects.

use std::borrow::Cow;
use std::fmt::Display;

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};
use url::Host;

use heartwire_core::cause::{Cause, CauseCode};

use super::proxy::{Tunnel, Via};
use super::redirect::Redirects;
use super::{Deadline, DialRequest, Passed, connect, failure, request};
use crate::socket::{Metered, Transport};
use crate::tls::TlsConfig;

/// The way of one question to a server.
pub(crate) struct Route<'r> {
    request: Cow<'r, DialRequest>,
    redirects: Redirects,
    via: Option<Via>,
}

impl<'r> Route<'r> {
    /// To the request's URL.
    pub fn of(request: &'r DialRequest) -> Self {
        Self { request: Cow::Borrowed(request), redirects: Redirects::default(), via: None }
    }

    /// What is asked for, with the URL to which the server has redirected.
    pub fn request(&self) -> &DialRequest {
        &self.request
    }

    /// A stream to the server of the URL.
    pub async fn travel(&mut self, deadline: &Deadline) -> Result<Transport, Cause> {
        let via = Via::find(&self.request.proxy, &self.request.url);
        self.via = deadline.within("this computer did not say which proxy to use", via).await?;
        let via = self.via.as_ref().map(|via| via as &dyn Display);
        deadline.passed(Passed::Proxy(&self.request.url, via));
        let reached = reach(&self.request, self.via.as_ref(), deadline).await;
        reached.map_err(|cause| self.behind(cause))
    }

    /// Where an answer redirects to, the URL is that one from now on. None: it is no redirect.
    ///
    /// # Errors
    /// It is one that is not followed.
    pub fn turn(&mut self, status: StatusCode, headers: &HeaderMap) -> Option<Result<(), Cause>> {
        let to = self.redirects.next(&self.request.url, status, headers)?;
        let to = to.map_err(|cause| self.behind(cause));
        Some(to.map(|to| {
            self.request.watch.tell(Passed::Redirected(status));
            self.request.to_mut().url = to;
        }))
    }

    /// Names the proxy in what went wrong behind it.
    pub fn behind(&self, cause: Cause) -> Cause {
        match &self.via {
            Some(via) => via.behind(cause),
            None => cause,
        }
    }
}

async fn reach(request: &DialRequest, via: Option<&Via>, deadline: &Deadline) -> Result<Transport, Cause> {
    let host = request.url.host().ok_or_else(|| Cause::new(CauseCode::Configuration, "the URL names no host"))?;
    let port = request
        .url
        .port_or_known_default()
        .ok_or_else(|| Cause::new(CauseCode::Configuration, "the URL is neither ws nor wss"))?;
    let Tunnel { tcp, early } = match via {
        Some(via) => {
            let tunnel = via.tunnel(&host, port, deadline).await?;
            deadline.passed(Passed::Tunnel);
            tunnel
        }
        None => connect::reach(&host, port, deadline).await?.into(),
    };
    let tcp = Metered::new(tcp, early, request.unacknowledged).map_err(|error| failure::connecting(&error, None))?;
    match request.url.scheme() {
        "wss" => {
            let secured = secure(&host, tcp, &request.tls);
            let secured = deadline.within("the TLS handshake was not finished", secured).await?;
            deadline.passed(Passed::Secured(secured.get_ref().1));
            Ok(Transport::tls(secured))
        }
        _ => Ok(Transport::plain(tcp)),
    }
}

async fn secure(host: &Host<&str>, tcp: Metered, tls: &TlsConfig) -> Result<TlsStream<Metered>, Cause> {
    let client = tls.client().await?;
    let name = request::server_name(host)?;
    match TlsConnector::from(client.clone()).connect(name, tcp).await {
        Ok(stream) => Ok(stream),
        Err(error) => {
            tls.failed(&client).await;
            Err(failure::securing(&error))
        }
    }
}
