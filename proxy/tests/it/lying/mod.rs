//! Registries that lie, break off and refuse: what clients see, and what is on disk afterwards.
//!
//! Every case ends with the registry telling the truth and the next client getting it, so nothing wrong was kept anywhere.

mod bodies;
mod detours;
mod manifests;
mod silence;
mod statuses;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};
use weir_scanner::oci::Digest;

use crate::support::{Answer, Ask, Got, Image, Registry, Weir, eventually, get, noise};

const REPOSITORY: &str = "team/app";
const LENGTH: usize = 300_000;

/// What a client gets from a lying registry.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// The right bytes.
    Whole,
    /// 200, and a body that ends before it could be taken for a whole one.
    Short,
    /// Short, or an error where the lie was found before the answer began.
    Wrong,
    /// An error: status and OCI code.
    Refused(u16, &'static str),
}

/// A registry that holds one blob, lies by `lie` and stops lying when told.
struct Liar {
    registry: Registry,
    honest: Arc<AtomicBool>,
    image: Image,
    digest: Digest,
    bytes: Vec<u8>,
}

impl Liar {
    /// `lie` is given the request, the right bytes, and how many GETs of the blob came before.
    async fn start(lie: impl Fn(&Ask, &[u8], usize) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let bytes = noise(7, LENGTH);
        let image = Image::of_blobs(REPOSITORY, &[&bytes]);
        let honest = Arc::new(AtomicBool::new(false));
        let (told, gets, right) = (Arc::clone(&honest), AtomicUsize::new(0), bytes.clone());
        let registry = Registry::with_images(&[&image], move |ask| {
            if told.load(Ordering::SeqCst) {
                return None;
            }
            let before = if ask.method == "GET" { gets.fetch_add(1, Ordering::SeqCst) } else { 0 };
            lie(ask, &right, before)
        })
        .await;
        Self { registry, honest, image, digest: Digest::of(&bytes), bytes }
    }

    fn target(&self) -> String {
        format!("/v2/{REPOSITORY}/blobs/{}", self.digest)
    }

    /// Pulls through `weir`, checks what is seen, then lets the registry be honest and pulls again.
    async fn judge(&self, name: &str, weir: &Weir, seen: Seen) {
        let got = get(weir.mirror, &self.target()).await;
        self.check(name, &got, seen);
        if !matches!(seen, Seen::Whole) {
            assert!(!weir.has_file(&self.digest), "{name}: wrong bytes are stored");
        }
        eventually("nothing is left of the fetch", || async { (weir.partial_files() == 0).then_some(()) }).await;
        self.honest.store(true, Ordering::SeqCst);
        let got = get(weir.mirror, &self.target()).await;
        self.check(name, &got, Seen::Whole);
        assert_eq!(weir.stored(&self.digest).await, self.image.content(&self.digest), "{name}");
    }

    fn check(&self, name: &str, got: &Got, seen: Seen) {
        match seen {
            Seen::Whole => {
                assert_eq!(got.status, 200, "{name}: {got:?}");
                assert!(got.whole && got.body == self.bytes, "{name}: {} bytes, whole: {}", got.body.len(), got.whole);
            }
            Seen::Short => {
                assert_eq!(got.status, 200, "{name}");
                assert!(!got.whole, "{name}: a wrong body of {} bytes was passed on as whole", got.body.len());
            }
            Seen::Wrong if got.status == 200 => self.check(name, got, Seen::Short),
            Seen::Wrong => self.check(name, got, Seen::Refused(502, "UNAVAILABLE")),
            Seen::Refused(status, code) => {
                assert_eq!(
                    (got.status, got.code().as_str()),
                    (status, code),
                    "{name}: {:?}",
                    String::from_utf8_lossy(&got.body)
                );
                assert!(
                    got.whole && !got.json()["errors"][0]["detail"]["cause"].as_str().unwrap().is_empty(),
                    "{name}"
                );
            }
        }
    }
}

impl Liar {
    /// After a refusal: nothing is stored, and the truth gets through.
    async fn judge_after(&self, name: &str, weir: &Weir) {
        assert!(!weir.has_file(&self.digest), "{name}");
        eventually("nothing is left of the fetch", || async { (weir.partial_files() == 0).then_some(()) }).await;
        self.honest.store(true, Ordering::SeqCst);
        let got = get(weir.mirror, &self.target()).await;
        self.check(name, &got, Seen::Whole);
    }
}

fn blob(bytes: &[u8]) -> Answer {
    Answer::new(200, &[("Content-Type", "application/octet-stream")], bytes)
}

fn is_get(ask: &Ask) -> bool {
    ask.method == "GET"
}

fn image() -> BuiltImage {
    ImageBuilder::new().layer(LayerBuilder::new().file("a", "b").gzip()).build()
}

/// A registry whose manifests are lied about, and the image it has.
async fn lying_about_manifests(
    lie: impl Fn(&Ask) -> Option<Answer> + Send + Sync + 'static,
) -> (Registry, Arc<AtomicBool>, BuiltImage) {
    let built = image();
    let honest = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&honest);
    let registry = Registry::with_images(&[&Image::of(REPOSITORY, "1", &built)], move |ask| {
        let lies = !told.load(Ordering::SeqCst) && ask.path().contains("/manifests/");
        if lies { lie(ask) } else { None }
    })
    .await;
    (registry, honest, built)
}
