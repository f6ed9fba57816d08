//! The question of a fetch: it is put to the server and to where that redirects, until there is an answer.

use std::sync::Arc;

use hyper::client::conn::http1;
use hyper::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use url::Position;
use url::form_urlencoded::Serializer;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::Fetch;

use super::SILENCE;
use super::answer::{Body, Exchange};
use crate::dial::{Deadline, DialRequest, Route, asking, authorization, beside, fields, judged, refused};
use crate::socket::Transport;

/// The most that is read at once, and the longest head of an answer, in bytes; hyper's default is 400 KiB.
const BUFFER: usize = 64 * 1024;

/// What is asked, and how the server is reached.
pub(super) struct Question {
    pub request: DialRequest,
    pub fetch: Fetch,
}

/// What the server said to it.
pub(super) enum Reply {
    /// The answer, and whether the server left something out of it.
    Body(Box<Body>, bool),
    Refused(u16),
}

impl Question {
    pub async fn ask(self: Arc<Self>) -> Result<Reply, Cause> {
        let request = beside(&self.request, &self.fetch.url)?;
        let deadline = Deadline::of(&request);
        let authorization = authorization(&request, deadline.at).await?;
        let mut form = self.fetch.form.as_deref();
        let mut route = Route::of(&request);
        loop {
            let asked = asked(route.request(), form, authorization.clone())?;
            let transport = route.travel(&deadline).await?;
            let exchange = exchange(transport, asked).await.map_err(|cause| route.behind(cause))?;
            let (status, headers) = (exchange.answer.status(), exchange.answer.headers());
            if status.is_success() {
                let cut = self.fetch.cut.is_some_and(|field| headers.contains_key(field));
                return Ok(Reply::Body(Box::new(Body::new(exchange, self.fetch.answer)?), cut));
            }
            if matches!(status.as_u16(), 400 | 404 | 405 | 410 | 422) {
                return Ok(Reply::Refused(status.as_u16()));
            }
            let Some(turned) = route.turn(status, headers) else {
                let cause = refused("the request for messages", status, headers);
                return Err(route.behind(judged(&request, cause)));
            };
            turned?;
            if status == StatusCode::SEE_OTHER {
                // RFC 9110, section 15.4.4: what was sent was taken, and the answer is to be got there.
                form = None;
            }
        }
    }
}

fn asked(
    request: &DialRequest,
    form: Option<&[(String, String)]>,
    authorization: Option<HeaderValue>,
) -> Result<Request<String>, Cause> {
    let body = form.map(|form| Serializer::new(String::new()).extend_pairs(form).finish());
    let mut asked = Request::builder()
        .method(if body.is_some() { Method::POST } else { Method::GET })
        // RFC 9112, section 3.2.1.
        .uri(&request.url[Position::BeforePath..Position::AfterQuery])
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close");
    if body.is_some() {
        asked = asked.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    let unsendable = |_| Cause::new(CauseCode::Configuration, "the URL cannot be put into a request");
    let mut asked = asked.body(body.unwrap_or_default()).map_err(unsendable)?;
    asked.headers_mut().extend(fields(request, authorization)?);
    Ok(asked)
}

/// Sends the request and waits for the head of its answer.
async fn exchange(transport: Transport, asked: Request<String>) -> Result<Exchange, Cause> {
    let speaking = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(transport));
    let (mut sender, mut connection) = speaking.await.map_err(|error| asking(&error))?;
    let answer = async {
        let answer = sender.send_request(asked);
        tokio::pin!(answer);
        // The answer comes only while the connection is driven.
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            ended = &mut connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(error),
            },
        }
    };
    let silent = |_| {
        let text = format!("no answer to the request for messages within {} s", SILENCE.as_secs());
        Cause::new(CauseCode::ConnectTimeout, text)
    };
    let answer = timeout(SILENCE, answer).await.map_err(silent)?;
    Ok(Exchange { answer: answer.map_err(|error| asking(&error))?, connection, sender })
}
