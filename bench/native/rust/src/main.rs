//! A server with the two doors of Airlock, for comparison: a ticket for the upgrade, a JWT in the first frame.

mod credentials;

use std::env;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::timeout;

use credentials::{Tickets, Verifier};

const AUTH_TIMEOUT: Duration = Duration::from_secs(5);

struct Server {
    origin: String,
    verifier: Verifier,
    tickets: Tickets,
    messages: broadcast::Sender<axum::extract::ws::Utf8Bytes>,
}

#[derive(Deserialize)]
struct FirstFrame<'a> {
    r#type: &'a str,
    token: &'a str,
}

fn text<'a>(headers: &'a HeaderMap, name: header::HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

/// Answers a client with a good JWT with a ticket.
async fn issue(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    let token = text(&headers, header::AUTHORIZATION).strip_prefix("Bearer ");
    let Some(claims) = token.and_then(|token| server.verifier.verify(token)) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let body = json!({ "ticket": server.tickets.issue(claims.sub), "expiresIn": 30, "protocol": "airlock.v1" });
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::CREATED, headers, body.to_string()).into_response()
}

/// Lets a client in through the first door.
async fn enter(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let refuse = |status: StatusCode| (status, [(header::CONNECTION, "close")]).into_response();
    if text(&headers, header::ORIGIN) != server.origin {
        return refuse(StatusCode::FORBIDDEN);
    }
    let offered = text(&headers, header::SEC_WEBSOCKET_PROTOCOL);
    let ticket = offered
        .split(',')
        .find_map(|protocol| protocol.trim().strip_prefix("ticket."));
    let Some(subject) = ticket.and_then(|ticket| server.tickets.redeem(ticket)) else {
        return refuse(StatusCode::UNAUTHORIZED);
    };
    upgrade
        .protocols(["airlock.v1"])
        .max_message_size(64 * 1024)
        // 128 KiB for each connection unless told otherwise.
        .read_buffer_size(4 * 1024)
        .on_upgrade(
            move |socket| async move { serve(&server, socket, subject).await.unwrap_or(()) },
        )
}

/// The second door, and what is behind it.
async fn serve(server: &Server, mut socket: WebSocket, subject: String) -> Option<()> {
    let Message::Text(frame) = timeout(AUTH_TIMEOUT, socket.recv()).await.ok()??.ok()? else {
        return None;
    };
    let claims = serde_json::from_str::<FirstFrame>(&frame)
        .ok()
        .filter(|frame| frame.r#type == "auth")
        .and_then(|frame| server.verifier.verify(frame.token))
        .filter(|claims| claims.sub == subject);
    let Some(claims) = claims else {
        let close = CloseFrame {
            code: 4401,
            reason: "token invalid".into(),
        };
        return socket.send(Message::Close(Some(close))).await.ok();
    };
    let ok =
        json!({ "type": "auth_ok", "user": { "id": subject }, "expiresAt": claims.exp * 1000 });
    socket
        .send(Message::Text(ok.to_string().into()))
        .await
        .ok()?;
    let mut messages = server.messages.subscribe();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let expiry = tokio::time::sleep(Duration::from_secs(claims.exp.saturating_sub(now)));
    tokio::pin!(expiry);
    loop {
        tokio::select! {
            () = &mut expiry => return None,
            message = messages.recv() => socket.send(Message::Text(message.ok()?)).await.ok()?,
            message = socket.recv() => match message?.ok()? {
                Message::Text(text) => {
                    let text = json!({ "from": subject, "text": text.as_str() }).to_string();
                    let _ = server.messages.send(text.into());
                }
                // The next call of recv answers a close frame, and ends.
                _ => {}
            },
        }
    }
}

/// Tells how many microseconds of CPU this process has used.
async fn usage() -> String {
    // SAFETY: the kernel fills the struct in, and a rusage of zeros is a valid one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    (micros(usage.ru_utime) + micros(usage.ru_stime)).to_string()
}

#[tokio::main]
async fn main() {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let server = Arc::new(Server {
        origin: variable("ALLOWED_ORIGIN"),
        verifier: Verifier::new(variable("JWT_SECRET").as_bytes()),
        tickets: Tickets::default(),
        messages: broadcast::channel(1024).0,
    });
    let swept = server.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(15)).await;
            swept.tickets.sweep();
        }
    });
    let app = Router::new()
        .route("/ws/ticket", post(issue))
        .route("/ws", get(enter))
        .route("/room", get(enter))
        .route("/bench/cpu", get(usage))
        .with_state(server);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    println!("{}", listener.local_addr().expect("its address").port());
    axum::serve(listener, app).await.expect("a server");
}
