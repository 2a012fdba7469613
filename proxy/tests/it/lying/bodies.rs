//! Blobs whose bodies are cut, wrong, or of another length than was said.

use crate::support::{Answer, Ask, Ending, Weir, noise, request};

use super::{LENGTH, Liar, Seen, blob, is_get};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_cut_anywhere_is_continued_unseen() {
    for cut in [0, 1, LENGTH / 2, LENGTH - 1] {
        for ranges in [true, false] {
            let liar = Liar::start(move |ask, bytes, before| match (ask.method.as_str(), before) {
                ("GET", 0) => Some(blob(bytes).cut(cut)),
                ("GET", _) if !ranges => Some(blob(bytes)),
                _ => None,
            })
            .await;
            let weir = Weir::over(&liar.registry.url()).await;
            let name = format!("cut at {cut}, ranges: {ranges}");
            liar.judge(&name, &weir, Seen::Whole).await;
            let gets: Vec<_> = liar.registry.asked().into_iter().filter(|ask| ask.method == "GET").collect();
            assert_eq!(gets.len(), 2, "{name}");
            // Nothing was received before byte 0, so there is no range to ask for.
            assert_eq!(gets[1].range_start(), (cut > 0).then_some(cut), "{name}");
            weir.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_cut_again_and_again_gets_through_as_long_as_it_grows() {
    let liar = Liar::start(|ask, bytes, _| {
        let start = ask.range_start().unwrap_or(0);
        let left = bytes.len() - start;
        (ask.method == "GET" && left > LENGTH / 5).then(|| {
            let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
            let whole = Answer::new(if start > 0 { 206 } else { 200 }, &[("Content-Range", &range)], &bytes[start..]);
            whole.cut(LENGTH / 5)
        })
    })
    .await;
    let weir = Weir::over(&liar.registry.url()).await;
    liar.judge("cut in fifths", &weir, Seen::Whole).await;
    assert_eq!(liar.registry.asked().iter().filter(|ask| ask.method == "GET").count(), 5);
}

type Lie = fn(&Ask, &[u8]) -> Option<Answer>;

/// An answer whose length is where the connection ends.
fn raw(headers: &str, body: &[u8], ending: Ending) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
    Answer::raw([head.as_bytes(), body].concat(), ending)
}

fn chunked(body: &[u8], whole: bool) -> Answer {
    let mut bytes = Vec::new();
    for chunk in body.chunks(50_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    if whole {
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    raw("Transfer-Encoding: chunked\r\n", &bytes, if whole { Ending::KeepAlive } else { Ending::Close })
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bodies_are_never_completed_and_never_stored() {
    let cases: &[(&str, Lie, Seen)] = &[
        ("wrong digest of the right length", |ask, _| is_get(ask).then(|| blob(&noise(8, LENGTH))), Seen::Wrong),
        (
            "last byte wrong",
            |ask, bytes| {
                let mut wrong = bytes.to_vec();
                *wrong.last_mut().unwrap() ^= 1;
                is_get(ask).then(|| blob(&wrong))
            },
            Seen::Wrong,
        ),
        (
            "short, HEAD disagrees",
            |ask, bytes| is_get(ask).then(|| blob(&bytes[..LENGTH - 1])),
            Seen::Refused(502, "UNAVAILABLE"),
        ),
        (
            "long, HEAD disagrees",
            |ask, bytes| is_get(ask).then(|| blob(&[bytes, b"x"].concat())),
            Seen::Refused(502, "UNAVAILABLE"),
        ),
        ("short, HEAD agrees", |_, bytes| Some(blob(&bytes[..LENGTH - 1])), Seen::Wrong),
        ("long, HEAD agrees", |_, bytes| Some(blob(&[bytes, b"x"].concat())), Seen::Wrong),
        ("empty, HEAD agrees", |_, _| Some(blob(b"")), Seen::Refused(502, "UNAVAILABLE")),
        (
            "a page with 200",
            |_, _| Some(Answer::new(200, &[("Content-Type", "text/html")], b"<html>Sign in</html>")),
            Seen::Wrong,
        ),
        ("no length", |ask, bytes| is_get(ask).then(|| raw("", bytes, Ending::Close)), Seen::Whole),
        (
            "no length anywhere",
            |ask, bytes| Some(if is_get(ask) { raw("", bytes, Ending::Close) } else { raw("", b"", Ending::Close) }),
            Seen::Whole,
        ),
        (
            "no length anywhere, cut",
            |ask, bytes| {
                Some(if is_get(ask) {
                    raw("", &bytes[..LENGTH / 2], Ending::Close)
                } else {
                    raw("", b"", Ending::Close)
                })
            },
            Seen::Wrong,
        ),
        ("chunked", |ask, bytes| is_get(ask).then(|| chunked(bytes, true)), Seen::Whole),
        (
            "chunked, nothing known before",
            |ask, bytes| Some(if is_get(ask) { chunked(bytes, true) } else { raw("", b"", Ending::Close) }),
            Seen::Whole,
        ),
        ("chunked wrong bytes", |ask, _| is_get(ask).then(|| chunked(&noise(8, LENGTH), true)), Seen::Wrong),
        (
            "chunked and longer than said",
            |ask, bytes| is_get(ask).then(|| chunked(&[bytes, b"x"].concat(), true)),
            Seen::Wrong,
        ),
        (
            "encoded in spite of identity",
            |ask, bytes| is_get(ask).then(|| Answer::new(200, &[("Content-Encoding", "gzip")], bytes)),
            Seen::Refused(502, "UNAVAILABLE"),
        ),
        (
            "a part of what was not asked in parts",
            |ask, bytes| is_get(ask).then(|| Answer::new(206, &[("Content-Range", "bytes 5-9/300000")], &bytes[5..10])),
            Seen::Refused(502, "UNAVAILABLE"),
        ),
        (
            "no HTTP at all",
            |ask, _| is_get(ask).then(|| Answer::raw(*b"SSH-2.0-OpenSSH_9\r\n\r\n", Ending::Close)),
            Seen::Refused(502, "UNAVAILABLE"),
        ),
        (
            "nothing at all",
            |ask, _| is_get(ask).then(|| Answer::raw(*b"", Ending::Close)),
            Seen::Refused(502, "UNAVAILABLE"),
        ),
    ];
    for (name, lie, seen) in cases {
        let liar = Liar::start(|ask, bytes, _| lie(ask, bytes)).await;
        let weir = Weir::over(&liar.registry.url()).await;
        liar.judge(name, &weir, *seen).await;
        weir.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_cut_without_a_length_of_their_own_are_continued_too() {
    type Cut = fn(&[u8]) -> Answer;
    let cuts: [(&str, Cut); 2] = [
        ("by the connection's end", |bytes| raw("", &bytes[..LENGTH / 2], Ending::Close)),
        ("between chunks", |bytes| chunked(&bytes[..LENGTH / 2], false)),
    ];
    for (name, cut) in cuts {
        let liar =
            Liar::start(move |ask, bytes, before| (ask.method == "GET" && before == 0).then(|| cut(bytes))).await;
        let weir = Weir::over(&liar.registry.url()).await;
        liar.judge(name, &weir, Seen::Whole).await;
        weir.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_a_blob_that_turns_out_wrong_stays_short() {
    let liar = Liar::start(|ask, _, _| is_get(ask).then(|| blob(&noise(8, LENGTH)))).await;
    let weir = Weir::over(&liar.registry.url()).await;
    let got = request(weir.mirror, "GET", &liar.target(), &[("Range", "bytes=299990-")]).await;
    assert!(got.status >= 500 || !got.whole, "{} {}", got.status, got.whole);
    liar.judge_after("a range", &weir).await;
}
