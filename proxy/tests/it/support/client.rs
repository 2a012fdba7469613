//! A client that reads an answer byte by byte off a socket, and says whether its body was whole.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// An answer as far as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// Headers by lowercase name.
    pub(crate) headers: HashMap<String, String>,
    /// Every cookie that is set, of which `headers` holds the last.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// Whether as many bytes came as the headers said.
    pub(crate) whole: bool,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The OCI error code.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

/// GET without more.
pub(crate) async fn get(address: SocketAddr, target: &str) -> Got {
    request(address, "GET", target, &[]).await
}

/// GET with headers.
pub(crate) async fn get_with(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Got {
    request(address, "GET", target, headers).await
}

/// HEAD.
pub(crate) async fn head(address: SocketAddr, target: &str) -> Got {
    request(address, "HEAD", target, &[]).await
}

/// POST with headers and a body.
pub(crate) async fn post(address: SocketAddr, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
    let length = body.len().to_string();
    let mut all = vec![("Content-Length", length.as_str())];
    all.extend(headers);
    send(address, "POST", target, &all, body).await
}

/// One request on a connection of its own.
pub(crate) async fn request(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Got {
    send(address, method, target, headers, b"").await
}

/// One request with a body; the headers say how long it is.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Got {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    // A body that is refused may not be taken to its end.
    let _ = stream.write_all(body).await;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await.unwrap();
    let status = line.split_whitespace().nth(1).unwrap_or_else(|| panic!("no status line: {line:?}")).parse().unwrap();
    let (mut headers, mut cookies) = (HashMap::new(), Vec::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("set-cookie") {
            cookies.push(value.trim().to_owned());
        }
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let (body, whole) = if method == "HEAD" { (Vec::new(), true) } else { read_body(&mut reader, &headers).await };
    Got { status, headers, cookies, body, whole }
}

async fn read_body(reader: &mut BufReader<TcpStream>, headers: &HashMap<String, String>) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length") {
        let length: usize = length.parse().unwrap();
        // A reset counts as short: what came before it is kept.
        let _ = reader.take(length as u64).read_to_end(&mut body).await;
        let whole = body.len() == length;
        return (body, whole);
    }
    if headers.get("transfer-encoding").map(String::as_str) != Some("chunked") {
        let whole = reader.read_to_end(&mut body).await.is_ok();
        return (body, whole);
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await.unwrap_or(0) == 0 {
            return (body, false);
        }
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        let before = body.len();
        let _ = (&mut *reader).take(size as u64 + 2).read_to_end(&mut body).await;
        if body.len() != before + size + 2 {
            return (body, false);
        }
        body.truncate(before + size);
        if size == 0 {
            return (body, true);
        }
    }
}
