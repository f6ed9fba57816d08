//! CONNECT (RFC 9110, section 9.3.6) by hyper, which tells the status of a refusal and gives back what it read too far.

use data_encoding::BASE64;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Host;

use heartwire_core::cause::Cause;

use super::{Tunnel, Via};

/// The longest head of an answer, in bytes; hyper's default is 400 KiB.
const ANSWER: usize = 16 * 1024;

/// Asks the proxy for a tunnel. Dropping the future closes the stream.
pub(super) async fn connect(via: &Via, tcp: TcpStream, host: &Host<&str>, port: u16) -> Result<Tunnel, Cause> {
    let target = format!("{host}:{port}");
    let request = request(via, &target)?;
    let lost = |error: hyper::Error| via.failed(&lost_words(&error));
    let speaking = http1::Builder::new().max_buf_size(ANSWER).handshake(TokioIo::new(tcp));
    let (mut sender, connection) = speaking.await.map_err(lost)?;
    let connection = connection.with_upgrades();
    let asked = async {
        let answer = sender.send_request(request).await.map_err(lost)?;
        if !answer.status().is_success() {
            return Err(via.failed(&refused_words(answer.status(), via, &target)));
        }
        hyper::upgrade::on(answer).await.map_err(lost)
    };
    // The answer comes only while the connection is driven, which ends when the stream is handed over.
    tokio::pin!(asked, connection);
    let upgraded = tokio::select! {
        upgraded = &mut asked => upgraded?,
        ended = &mut connection => match ended {
            Ok(()) => asked.await?,
            Err(error) => return Err(lost(error)),
        },
    };
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().map_err(|_| via.failed("opened no tunnel"))?;
    Ok(Tunnel { tcp: parts.io.into_inner(), early: parts.read_buf })
}

fn request(via: &Via, target: &str) -> Result<Request<String>, Cause> {
    let unsendable = |_| via.failed(&format!("cannot be asked for {target}"));
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(target)
        .header(HOST, target)
        .body(String::new())
        .map_err(unsendable)?;
    if let Some((user, password)) = via.address.credentials() {
        // RFC 7617, section 2. Base64 is always a legal field value.
        let pair = BASE64.encode(format!("{user}:{password}").as_bytes());
        if let Ok(mut value) = HeaderValue::try_from(format!("Basic {pair}")) {
            value.set_sensitive(true);
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
    }
    Ok(request)
}

fn refused_words(status: StatusCode, via: &Via, target: &str) -> String {
    match status {
        // Only 407 is meant for this; tinyproxy answers wrong credentials with 401.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED if via.address.credentials().is_some() => {
            format!("refused the user and password ({status})")
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED => {
            format!("wants a user and a password ({status}): write them before its host, as user:password@")
        }
        StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED => format!("does not allow {target} ({status})"),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            format!("could not reach {target} ({status})")
        }
        _ => format!("opened no tunnel to {target} ({status})"),
    }
}

fn lost_words(error: &hyper::Error) -> String {
    // Too long is a kind of that.
    if error.is_parse() {
        "gives no answer in HTTP that can be read".to_owned()
    } else {
        "ended the connection before it answered".to_owned()
    }
}
