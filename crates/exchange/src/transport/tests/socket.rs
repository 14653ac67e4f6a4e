//! WebSocket: the upgrade and who does not get one, messages in frames, limits of size and time, both kinds of ping.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::secure::Authority;
use super::*;

async fn bench(limits: StreamLimits) -> Bench {
    Bench::with(&[Transport::Ws], ANY, limits, FloodLimits::default(), super::nobody()).await
}

/// A browser that asks for these subprotocols.
async fn browser(to: SocketAddr, protocols: Option<&'static str>) -> Result<WebSocketStream<TcpStream>, Error> {
    page(to, PAGE, protocols).await
}

/// The same for a page of this origin.
async fn page(
    to: SocketAddr,
    origin: &'static str,
    protocols: Option<&'static str>,
) -> Result<WebSocketStream<TcpStream>, Error> {
    let mut request = format!("ws://{to}/").into_client_request()?;
    let value = origin.parse().expect("a value");
    request.headers_mut().insert("Origin", value);
    if let Some(protocols) = protocols {
        let value = protocols.parse().expect("a value");
        request.headers_mut().insert("Sec-WebSocket-Protocol", value);
    }
    client_async(request, TcpStream::connect(to).await?)
        .await
        .map(|(socket, response)| {
            assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
            socket
        })
}

#[tokio::test]
async fn a_message_is_a_frame_whatever_its_kind() {
    let mut bench = bench(StreamLimits::default()).await;
    let browser = tokio::spawn(browser(bench.at(Transport::Ws), Some("chat, sip")));
    bench.let_in().await;
    let mut browser = browser.await.expect("no panic").expect("an upgrade");
    // RFC 7118 §5: no Content-Length is needed, and no framing of ours looks for one.
    browser
        .send(Message::text("OPTIONS sip:a@example.com SIP/2.0\r\n\r\n"))
        .await
        .expect("sent");
    let (flow, text) = bench.message().await;
    assert_eq!((flow.transport, text.len()), (Transport::Ws, 37));
    browser.send(Message::binary(MESSAGE)).await.expect("sent");
    assert_eq!(bench.message().await.1, MESSAGE);
    bench.send(flow, "SIP/2.0 200 OK").expect("queued");
    assert_eq!(
        browser.next().await.expect("open").expect("a frame"),
        Message::text("SIP/2.0 200 OK")
    );
    // Both kinds of ping are answered.
    browser.send(Message::Ping("7".into())).await.expect("sent");
    assert_eq!(
        browser.next().await.expect("open").expect("a frame"),
        Message::Pong("7".into())
    );
    browser.send(Message::text("\r\n\r\n")).await.expect("sent");
    assert_eq!(
        browser.next().await.expect("open").expect("a frame"),
        Message::text("\r\n")
    );
    // A request for the same peer goes the same way; a connection of ours cannot be made.
    let any = Flow {
        connection: None,
        ..flow
    };
    bench.send(any, "again").expect("queued");
    assert_eq!(
        browser.next().await.expect("open").expect("a frame"),
        Message::text("again")
    );
    browser.close(None).await.expect("said goodbye");
    assert!(!bench.ended().await);
    assert!(bench.send(any, "nobody there").is_err());
}

#[tokio::test]
async fn only_an_upgrade_to_sip_gets_one() {
    let mut bench = bench(StreamLimits {
        handshake: Duration::from_millis(300),
        ..StreamLimits::default()
    })
    .await;
    let to = bench.at(Transport::Ws);
    for protocols in [None, Some("chat"), Some("SIPS, sip2")] {
        let browser = tokio::spawn(browser(to, protocols));
        bench.ended().await;
        let refused = browser.await.expect("no panic").expect_err("no upgrade");
        assert!(matches!(refused, Error::Http(response) if response.status() == 400));
    }
    for origin in ["https://evil.example.net", "null", "http://phones.example.com"] {
        let browser = tokio::spawn(page(to, origin, Some("sip")));
        bench.ended().await;
        let refused = browser.await.expect("no panic").expect_err("no upgrade");
        assert!(
            matches!(refused, Error::Http(response) if response.status() == 403),
            "{origin}"
        );
    }
    // controls.md §2 row 26: headers without end, many small ones and one large one, and headers that only drip.
    let endless = |line: &'static str| async move {
        let mut stream = TcpStream::connect(to).await.expect("accepted");
        let mut sent = 0;
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n").await;
        while stream.write_all(line.as_bytes()).await.is_ok() && sent < 1_000_000 {
            sent += line.len();
        }
        sent
    };
    for line in [
        "X-A: b\r\n",
        "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    ] {
        let sending = tokio::spawn(endless(line));
        bench.ended().await;
        assert!(sending.await.expect("no panic") < 1_000_000, "it was cut off");
    }
    let mut slow = TcpStream::connect(to).await.expect("accepted");
    let dripping = tokio::spawn(async move {
        for octet in b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n" {
            if slow.write_all(&[*octet]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    bench.ended().await;
    dripping.abort();
    // SIP without WebSocket is no WebSocket.
    let mut plain = TcpStream::connect(to).await.expect("accepted");
    plain.write_all(MESSAGE.as_bytes()).await.expect("written");
    bench.ended().await;
    let counters = bench.transports.counters();
    assert_eq!(counters.slow.load(Relaxed), 1);
    assert_eq!(counters.garbage.load(Relaxed), 9);
    assert_eq!(bench.transports.connections(), 0);
}

#[tokio::test]
async fn too_large_too_slow_and_too_quiet_are_ended() {
    let mut bench = bench(quick()).await;
    let to = bench.at(Transport::Ws);
    let silent = tokio::spawn(browser(to, Some("sip")));
    bench.ended().await;
    drop(silent.await);
    let large = tokio::spawn(browser(to, Some("sip")));
    bench.let_in().await;
    let mut large = large.await.expect("no panic").expect("an upgrade");
    let size = sip::message::limits::MESSAGE_BYTES_MAX + 1;
    let _ = large.send(Message::binary(vec![b'x'; size])).await;
    bench.ended().await;
    let idle = tokio::spawn(browser(to, Some("sip")));
    bench.let_in().await;
    let mut idle = idle.await.expect("no panic").expect("an upgrade");
    idle.send(Message::text(MESSAGE)).await.expect("sent");
    let began = Instant::now();
    bench.ended().await;
    assert!(
        began.elapsed() >= Duration::from_millis(250),
        "idle is longer than silent"
    );
    assert_eq!(bench.transports.connections(), 0);
}

#[tokio::test]
async fn a_browser_comes_over_tls_too() {
    let authority = Authority::new();
    let certificates = Arc::new(Certificates::read(authority.tls(&["desk.example.com"])).expect("files"));
    let mut bench = Bench::with(
        &[Transport::Wss],
        ANY,
        StreamLimits::default(),
        FloodLimits::default(),
        certificates,
    )
    .await;
    let to = bench.at(Transport::Wss);
    let config = authority.client(None);
    let browser = tokio::spawn(async move {
        let name = rustls::pki_types::ServerName::try_from("desk.example.com").expect("a name");
        let stream = TcpStream::connect(to).await.expect("accepted");
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .expect("a handshake");
        let mut request = "wss://desk.example.com/".into_client_request().expect("a request");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", "sip".parse().expect("a value"));
        client_async(request, stream).await.expect("an upgrade").0
    });
    bench.names().await;
    let mut browser = browser.await.expect("no panic");
    browser.send(Message::text(MESSAGE)).await.expect("sent");
    let (flow, text) = bench.message().await;
    assert_eq!((flow.transport, text.as_str()), (Transport::Wss, MESSAGE));
    bench.send(flow, "SIP/2.0 200 OK").expect("queued");
    assert_eq!(
        browser.next().await.expect("open").expect("a frame"),
        Message::text("SIP/2.0 200 OK")
    );
}
