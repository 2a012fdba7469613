//! Events as they happen and in the order in which they did, for those who ask instead of being told.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use weir_storage::index::Index;

use super::{over_in, publish};
use crate::scan::pull;
use crate::support::{Image, Registry, Weir, get, get_with};
use crate::workloads::Images;

/// An open stream, and the place it began at.
struct Stream(BufReader<TcpStream>, String);

/// One event: its id, its kind, its JSON.
type Event = (String, String, Value);

impl Stream {
    async fn open(report: SocketAddr, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(report).await.unwrap();
        let text = format!(
            "GET /api/v1/events{query} HTTP/1.1\r\nHost: {report}\r\nAccept: text/event-stream\r\n{headers}\r\n"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut stream = Self(BufReader::new(stream), String::new());
        assert_eq!(stream.line().await, "HTTP/1.1 200 OK");
        loop {
            let line = stream.line().await;
            if line == "retry: 5000" {
                return stream;
            }
            if let Some(place) = line.strip_prefix("id: ") {
                place.clone_into(&mut stream.1);
            }
        }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).await.unwrap(), 0, "the stream ended");
        line.trim_end().to_owned()
    }

    async fn next(&mut self) -> Event {
        let mut event = (String::new(), String::new(), Value::Null);
        loop {
            let line = self.line().await;
            match line.split_once(": ") {
                Some(("id", id)) => event.0 = id.to_owned(),
                Some(("event", kind)) => event.1 = kind.to_owned(),
                Some(("data", data)) => {
                    event.2 = serde_json::from_str(data).unwrap();
                    return event;
                }
                _ => {}
            }
        }
    }
}

/// weir with an image that has two findings, and where its feeds are.
async fn weir() -> (Weir, PathBuf, Registry, Images) {
    let images = Images::new("app");
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &images.amd)], |_| None).await;
    let upstream = [("NAME", "docker.io".to_owned()), ("URL", registry.url())];
    let settings: Vec<_> = upstream.map(|(key, value)| (format!("UPSTREAM__0__{key}"), value)).into();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    publish(&path, None, &[("openssl", 1), ("bash", 2)]).await;
    (over_in(directory, &Index::in_memory(), &settings).await, path, registry, images)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_where_it_was() {
    let (weir, path, _registry, images) = weir().await;
    let mut stream = Stream::open(weir.report, "", "").await;
    // Only images that run are meant here, so this one tells nothing of what follows.
    let mut running = Stream::open(weir.report, "?image_status=running", "").await;
    pull(&weir, 1, &images.amd).await;
    let (first, second) = (stream.next().await, stream.next().await);
    assert_eq!((first.1.as_str(), &first.2["reason"]), ("opened", &json!("new_image")));
    assert_eq!((&first.2["id"], &first.2["image"]), (&json!(first.0), &json!(images.amd.manifest_digest)));
    // One that ended before anything happened left a place to come back to.
    let place = format!("Last-Event-ID: {}\r\n", stream.1);
    drop(stream);
    assert_eq!(Stream::open(weir.report, "", &place).await.next().await, first);
    publish(&path, Some(&weir), &[("openssl", 1), ("bash", 2), ("bash", 3)]).await;

    // A header says what a browser had last, whatever its URL says.
    let mut again = Stream::open(weir.report, "?after=0.0", &format!("Last-Event-ID: {}\r\n", first.0)).await;
    assert_eq!(again.next().await, second);
    let third = again.next().await;
    assert_eq!((third.1.as_str(), &third.2["vulnerability"]), ("opened", &json!("CVE-2026-0003")));

    // The same events, asked for: oldest first, from any place on.
    let list = |query: &str| {
        let target = format!("/api/v1/events?{query}");
        async move { get(weir.report, &target).await.json() }
    };
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = [first.0.clone(), second.0.clone(), third.0.clone()];
    assert_eq!(ids(&list("order=asc").await), all);
    let page = list("order=asc&limit=2").await;
    assert_eq!((ids(&page).as_slice(), &page["next_cursor"]), (&all[..2], &json!(second.0)));
    let page = list(&format!("order=asc&limit=2&cursor={}", second.0)).await;
    assert_eq!((ids(&page).as_slice(), &page["next_cursor"]), (&all[2..], &Value::Null));
    assert_eq!(ids(&list(&format!("after={}", first.0)).await), all[1..]);
    assert_eq!(ids(&list(&format!("after={}", third.0)).await), [""; 0]);
    assert_eq!(ids(&list("order=asc&image_status=running").await), [""; 0]);
    assert_eq!(ids(&list("order=desc").await), ids(&list("").await));
    for query in ["order=up", "after=x", "order=desc&after=1.0"] {
        assert_eq!(get(weir.report, &format!("/api/v1/events?{query}")).await.status, 400, "{query}");
    }
    // A page of those after one goes on by its cursor.
    let page = list(&format!("after={}&cursor={}", first.0, second.0)).await;
    assert_eq!(ids(&page), all[2..]);
    let only = [("Accept", "text/event-stream")];
    assert_eq!(get_with(weir.report, "/api/v1/events?limit=1", &only).await.status, 400);
    let stream = [("Accept", "text/event-stream"), ("Last-Event-ID", "x")];
    assert_eq!(get_with(weir.report, "/api/v1/events", &stream).await.status, 400);
    // Who accepts anything gets the list.
    let any = get_with(weir.report, "/api/v1/events", &[("Accept", "text/event-stream, */*")]).await;
    assert_eq!(any.header("content-type"), Some("application/json"));

    // A shutdown ends a stream as a body ends, not as a connection breaks.
    weir.stop().await;
    let mut rest = String::new();
    running.0.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n") && !rest.contains("data:"), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_streams() {
    let (weir, ..) = weir().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(Stream::open(weir.report, "", "").await);
    }
    let open = || get_with(weir.report, "/api/v1/events", &[("Accept", "text/event-stream"), ("Connection", "close")]);
    let refused = open().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("30")));
    streams.clear();
    crate::support::eventually("a place for a stream", || async {
        let stream = TcpStream::connect(weir.report).await.unwrap();
        let mut stream = BufReader::new(stream);
        let text = format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n", weir.report);
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        line.contains("200").then_some(())
    })
    .await;
    weir.stop().await;
}
