//! The way to a server, of a dial and of what is fetched beside its socket alike: through the proxy that there is at that
//! moment, with TLS for wss, and on to where the server redirects.

use std::borrow::Cow;

use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};
use url::Host;

use heartwire_core::cause::{Cause, CauseCode};

use super::proxy::{Tunnel, Via};
use super::redirect::Redirects;
use super::{Deadline, DialRequest, connect, failure, request};
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
        let reached = reach(&self.request, self.via.as_ref(), deadline).await;
        reached.map_err(|cause| self.behind(cause))
    }

    /// Where an answer redirects to, the URL is that one from now on. None: it is no redirect.
    ///
    /// # Errors
    /// It is one that is not followed.
    pub fn turn(&mut self, status: StatusCode, headers: &HeaderMap) -> Option<Result<(), Cause>> {
        let to = self.redirects.next(&self.request.url, status, headers)?;
        Some(to.map(|to| self.request.to_mut().url = to).map_err(|cause| self.behind(cause)))
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
        Some(via) => via.tunnel(&host, port, deadline).await?,
        None => connect::reach(&host, port, deadline).await?.into(),
    };
    let tcp = Metered::new(tcp, early, request.unacknowledged).map_err(|error| failure::connecting(&error, None))?;
    match request.url.scheme() {
        "wss" => deadline.within("the TLS handshake was not finished", secure(&host, tcp, &request.tls)).await,
        _ => Ok(Transport::plain(tcp)),
    }
}

async fn secure(host: &Host<&str>, tcp: Metered, tls: &TlsConfig) -> Result<Transport, Cause> {
    let client = tls.client().await?;
    let name = request::server_name(host)?;
    match TlsConnector::from(client.clone()).connect(name, tcp).await {
        Ok(stream) => Ok(Transport::tls(stream)),
        Err(error) => {
            tls.failed(&client).await;
            Err(failure::securing(&error))
        }
    }
}
