//! Reads answers piece by piece: the lines of a watch, the items of a list.
//!
//! Owns the cutting of a body into objects without parsing it twice or holding more than one. Invariant: at most
//! [`MAX_OBJECT`] bytes of a body are in memory, however long its list is.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncBufReadExt};
use kube::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::WatchError;
use super::resource::ApiRequest;

/// The largest object, or rest of a list, that is read. The store under an API server takes 1.5 MB by default.
const MAX_OBJECT: usize = 8 << 20;

/// A body as it comes.
pub(super) struct Body {
    bytes: Pin<Box<dyn AsyncBufRead + Send>>,
    piece: Vec<u8>,
}

/// What follows a list's items.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListEnd {
    pub(super) metadata: ListMetadata,
}

/// The metadata of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMetadata {
    pub(super) resource_version: String,
    #[serde(rename = "continue")]
    pub(super) token: String,
}

impl Body {
    /// Asks, and waits for the answer to begin.
    pub(super) async fn open(client: &Client, request: ApiRequest, patience: Duration) -> Result<Self, WatchError> {
        let asked = timeout(patience, client.request_stream(request)).await;
        let bytes = asked.map_err(|_| WatchError::Silent(patience))??;
        Ok(Self { bytes: Box::pin(bytes), piece: Vec::new() })
    }

    /// The next line, parsed; `None` at the end. A line without its end is none.
    pub(super) async fn line<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<Option<T>, WatchError> {
        self.piece.clear();
        loop {
            let bytes = filled(&mut self.bytes, patience).await?;
            if bytes.is_empty() {
                return if self.piece.is_empty() { Ok(None) } else { Err(WatchError::Cut) };
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (part, used) = end.map_or((bytes, bytes.len()), |at| (&bytes[..at], at + 1));
            self.piece.extend_from_slice(part);
            self.bytes.consume_unpin(used);
            if self.piece.len() > MAX_OBJECT {
                return Err(WatchError::TooLarge(MAX_OBJECT));
            }
            if end.is_some() && !self.piece.is_empty() {
                return serde_json::from_slice(&self.piece).map(Some).map_err(WatchError::Unreadable);
            }
        }
    }

    /// The body as a list.
    pub(super) fn into_list(self) -> ListBody {
        ListBody { body: self, cutter: ItemCutter::default() }
    }
}

/// A list as it comes.
pub(super) struct ListBody {
    body: Body,
    cutter: ItemCutter,
}

impl ListBody {
    /// The next item, parsed; `None` after the last.
    pub(super) async fn item<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<Option<T>, WatchError> {
        self.body.piece.clear();
        loop {
            let bytes = filled(&mut self.body.bytes, patience).await?;
            if bytes.is_empty() {
                return if self.cutter.is_whole() { Ok(None) } else { Err(WatchError::Cut) };
            }
            let (used, complete) = self.cutter.cut(bytes, &mut self.body.piece);
            self.body.bytes.consume_unpin(used);
            if self.body.piece.len().max(self.cutter.envelope.len()) > MAX_OBJECT {
                return Err(WatchError::TooLarge(MAX_OBJECT));
            }
            if complete {
                return serde_json::from_slice(&self.body.piece).map(Some).map_err(WatchError::Unreadable);
            }
        }
    }

    /// What was around the items; only after the last of them.
    pub(super) fn end(self) -> Result<ListEnd, WatchError> {
        serde_json::from_slice(&self.cutter.envelope).map_err(WatchError::Unreadable)
    }
}

/// More of the body; empty at its end.
async fn filled(bytes: &mut Pin<Box<dyn AsyncBufRead + Send>>, patience: Duration) -> Result<&[u8], WatchError> {
    timeout(patience, bytes.fill_buf()).await.map_err(|_| WatchError::Silent(patience))?.map_err(WatchError::Broken)
}

/// Cuts `{"kind":…,"metadata":{…},"items":[{…},{…}]}` into its items and the rest.
#[derive(Debug, Default)]
struct ItemCutter {
    /// Everything that is not within an item.
    envelope: Vec<u8>,
    /// How many brackets are open.
    depth: usize,
    in_items: bool,
    in_text: bool,
    /// Within a text, after a backslash.
    escaped: bool,
}

impl ItemCutter {
    /// Takes bytes up to the end of an item, which then is complete in `item`, or all of them.
    fn cut(&mut self, bytes: &[u8], item: &mut Vec<u8>) -> (usize, bool) {
        // The part of `bytes` before `from` is in its place already.
        let mut from = 0;
        let mut in_item = self.in_items && self.depth > 2;
        for (at, byte) in bytes.iter().enumerate() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => {
                    if self.in_items && self.depth == 2 {
                        self.envelope.extend_from_slice(&bytes[from..at]);
                        (from, in_item) = (at, true);
                    } else if self.depth == 1 && *byte == b'[' {
                        self.envelope.extend_from_slice(&bytes[from..at]);
                        from = at;
                        self.in_items = ends_with_items_key(&self.envelope);
                    }
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if in_item && self.depth == 2 {
                        item.extend_from_slice(&bytes[from..=at]);
                        return (at + 1, true);
                    }
                    if self.depth == 1 {
                        self.in_items = false;
                    }
                }
                // Between items, so that the rest is an empty list in the end.
                b',' if self.in_items && self.depth == 2 => {
                    self.envelope.extend_from_slice(&bytes[from..at]);
                    from = at + 1;
                }
                _ => {}
            }
        }
        let rest = &bytes[from..];
        if in_item {
            item.extend_from_slice(rest)
        } else {
            self.envelope.extend_from_slice(rest)
        }
        (bytes.len(), false)
    }

    /// Whether every bracket was closed.
    fn is_whole(&self) -> bool {
        self.depth == 0 && !self.envelope.is_empty()
    }
}

/// Whether what comes next is the value of `items`.
fn ends_with_items_key(envelope: &[u8]) -> bool {
    let before = envelope.trim_ascii_end();
    let Some(before) = before.strip_suffix(b":") else { return false };
    before.trim_ascii_end().ends_with(b"\"items\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The items and the rest of a list that comes in pieces of these sizes.
    fn read(text: &str, sizes: &[usize]) -> (Vec<Value>, Value) {
        let (mut cutter, mut items, mut item) = (ItemCutter::default(), Vec::new(), Vec::new());
        let mut sizes = sizes.iter().cycle();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            while !piece.is_empty() {
                let (used, complete) = cutter.cut(piece, &mut item);
                piece = &piece[used..];
                if complete {
                    items.push(serde_json::from_slice(&item).unwrap());
                    item.clear();
                }
            }
            rest = after;
        }
        assert!(cutter.is_whole());
        (items, serde_json::from_slice(&cutter.envelope).unwrap())
    }

    proptest! {
        #[test]
        fn lists_are_cut_between_items(
            texts in prop::collection::vec(r#"[a\[\]{}",\\:é ]{0,8}"#, 0..6),
            sizes in prop::collection::vec(1_usize..40, 1..6),
            pretty: bool,
            last: bool,
        ) {
            let items: Vec<Value> = texts.iter().map(|text| json!({text: [text, {"items": [text]}], "n": {}})).collect();
            let metadata = json!({"resourceVersion": "7", "other": [{"items": [1]}], "continue": "\"items\":["});
            // serde_json writes keys in the order of their names.
            let mut list = json!({"kind": "PodList", "metadata": metadata, "items": items});
            if last {
                list["zeta"] = json!([[1, 2], {"a": []}]);
            }
            let text = if pretty { serde_json::to_string_pretty(&list).unwrap() } else { list.to_string() };
            let (read, rest) = read(&text, &sizes);
            prop_assert_eq!(read, items);
            list["items"] = json!([]);
            prop_assert_eq!(rest, list);
        }
    }

    #[test]
    fn a_list_without_items_has_none() {
        let (items, rest) = read(r#"{"metadata":{"resourceVersion":"7"},"items":null}"#, &[5]);
        assert!(items.is_empty());
        assert_eq!(rest["metadata"]["resourceVersion"], "7");
    }
}
