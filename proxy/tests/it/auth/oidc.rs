//! The way over a provider that says what the test tells it to: what is sent, what is refused, and who gets in. A real provider signs
//! people in in the console's own suite.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use url::Url;

use super::harness::{CLOSED, Door, cookie, text};
use crate::support::{Answer, Ask, Ending, Got, Registry};

/// Seconds since the epoch at which the door's clock stands.
const NOW: i64 = 1_790_000_000;

/// What the provider signs with, under which name, and what it says next.
struct Script {
    key: Mutex<(String, EcdsaKeyPair)>,
    claims: Mutex<Value>,
    /// What the token endpoint refuses codes with.
    error: Mutex<Option<&'static str>>,
}

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap()
}

impl Script {
    fn answer(&self, ask: &Ask) -> Answer {
        let host = format!("http://{}", ask.header("host").unwrap());
        let key = self.key.lock().unwrap();
        let document = match ask.path() {
            "/.well-known/openid-configuration" => json!({
                "issuer": host, "authorization_endpoint": format!("{host}/auth?tenant=1"),
                "token_endpoint": format!("{host}/token"), "jwks_uri": format!("{host}/jwks"),
            }),
            "/jwks" => {
                let (x, y) = key.1.public_key().as_ref()[1..].split_at(32);
                let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
                json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": key.0, "x": x, "y": y}]})
            }
            "/token" if self.error.lock().unwrap().is_some() => {
                let body = json!({"error": *self.error.lock().unwrap()}).to_string();
                let headers = [("Content-Type", "application/json"), ("Connection", "close")];
                return Answer { ending: Ending::Close, ..Answer::new(400, &headers, body.as_bytes()) };
            }
            "/token" => {
                let mut claims = self.claims.lock().unwrap().clone();
                if claims["iss"].is_null() {
                    claims["iss"] = host.into();
                }
                let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
                let message = format!("{}.{}", part(&json!({"alg": "ES256", "kid": key.0})), part(&claims));
                let signature = key.1.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
                json!({"id_token": format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))})
            }
            _ => return Answer::new(404, &[], b""),
        };
        // The body of the request for a token is left unread, so no other may follow on its connection.
        let (ending, connection) =
            if ask.method == "POST" { (Ending::Close, "close") } else { (Ending::KeepAlive, "keep-alive") };
        let headers = [("Content-Type", "application/json"), ("Connection", connection)];
        Answer { ending, ..Answer::new(200, &headers, document.to_string().as_bytes()) }
    }
}

struct World {
    door: Door,
    provider: Registry,
    script: Arc<Script>,
    /// The client's, read at each use.
    _secret: NamedTempFile,
}

/// A browser on its way: where it was sent, what was asked for there, and its cookie.
struct Journey {
    asked: HashMap<String, String>,
    cookie: String,
}

impl World {
    async fn start() -> Self {
        let script = Arc::new(Script {
            key: Mutex::new(("k1".into(), key())),
            claims: Mutex::default(),
            error: Mutex::default(),
        });
        let provider = {
            let script = Arc::clone(&script);
            Registry::start(move |ask| script.answer(ask)).await
        };
        let secret = NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "s e\n").unwrap();
        let (issuer, secret_path) = (provider.url(), secret.path().to_str().unwrap().to_owned());
        let settings = [
            CLOSED,
            ("AUTH__OIDC__ISSUER", issuer.as_str()),
            ("AUTH__OIDC__CLIENT_ID", "weir"),
            ("AUTH__OIDC__CLIENT_SECRET_FILE", secret_path.as_str()),
            ("AUTH__OIDC__EDITORS", "security"),
            ("AUTH__OIDC__VIEWERS", "staff"),
        ];
        let door = Door::start(&settings).await;
        Self { door, provider, script, _secret: secret }
    }

    async fn set_out(&self, next: &str) -> Journey {
        let got = self.door.get(&format!("/sign-in/oidc?next={next}"), &[]).await;
        assert_eq!(got.status, 303, "{}", text(&got));
        let location = Url::parse(got.header("location").unwrap()).unwrap();
        assert_eq!(location.origin().ascii_serialization(), self.provider.url());
        let asked: HashMap<String, String> = location.query_pairs().into_owned().collect();
        self.say(json!({
            "sub": "00u1", "aud": "weir", "exp": NOW + 3600, "iat": NOW, "nonce": asked["nonce"], "groups": ["staff"],
            "preferred_username": "ada",
        }));
        Journey { asked, cookie: cookie(&got, "weir_sign_in").unwrap() }
    }

    fn say(&self, claims: Value) {
        *self.script.claims.lock().unwrap() = claims;
    }

    fn change(&self, name: &str, value: Value) {
        self.script.claims.lock().unwrap()[name] = value;
    }

    async fn come_back(&self, journey: &Journey, more: &str) -> Got {
        let path = format!("/sign-in/oidc/callback?state={}{more}", journey.asked["state"]);
        self.door.get(&path, &[("Cookie", &journey.cookie)]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whom_the_provider_names_gets_a_session_of_their_role() {
    let world = World::start().await;
    assert!(world.provider.asked().is_empty(), "nothing is asked before somebody signs in");
    assert!(text(&world.door.get("/sign-in", &[]).await).contains("/sign-in/oidc"));
    let journey = world.set_out("/images").await;
    let callback = format!("http://{}/sign-in/oidc/callback", world.door.weir.report);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "weir"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", &callback),
        ("tenant", "1"),
    ] {
        assert_eq!(journey.asked.get(name).map(String::as_str), Some(value), "{name}");
    }
    world.change("groups", json!(["staff", "security"]));
    let got = world.come_back(&journey, "&code=c1&session_state=x").await;
    assert_eq!((got.status, got.header("location")), (303, Some("/images")), "{}", text(&got));
    let token = world.provider.asked().into_iter().find(|ask| ask.path() == "/token").unwrap();
    let basic = format!("Basic {}", STANDARD.encode("weir:s+e"));
    assert_eq!(token.header("authorization"), Some(basic.as_str()));
    let session = cookie(&got, "weir_session").unwrap();
    let me = world.door.get("/api/v1/me", &[("Cookie", &session)]).await.json();
    assert_eq!((&me["name"], &me["role"]), (&"ada".into(), &"editor".into()));
    let stored = &world.door.index.sessions().list().unwrap()[0];
    assert!(format!("{:?}", stored.origin).contains("00u1"), "{stored:?}");

    let again = world.come_back(&journey, "&code=c1").await;
    assert_eq!(again.status, 400, "a sign-in ends once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_nothing_lets_nobody_in() {
    let world = World::start().await;
    for (name, value) in [
        ("nonce", json!("another")),
        ("aud", json!("another")),
        ("iss", json!("https://another.example")),
        ("exp", json!(NOW - 3600)),
        ("groups", json!(["strangers"])),
        ("groups", Value::Null),
    ] {
        // How often one may try is not what is asked here.
        world.door.weir.clock.advance(12);
        let journey = world.set_out("/").await;
        world.change(name, value.clone());
        let got = world.come_back(&journey, "&code=c").await;
        assert_eq!(got.status, 403, "{name}: {value}");
        assert!(cookie(&got, "weir_session").is_none() && text(&got).contains("role=\"alert\""), "{name}: {value}");
        let is_named = text(&got).contains("ada") && text(&got).contains("no role here");
        assert_eq!(is_named, name == "groups", "{name}: {value}");
    }
    // A code that is used up concerns the person; a secret that is wrong, whoever runs weir.
    for (error, status) in [("invalid_grant", 403), ("invalid_client", 502)] {
        world.door.weir.clock.advance(12);
        let journey = world.set_out("/").await;
        *world.script.error.lock().unwrap() = Some(error);
        assert_eq!(world.come_back(&journey, "&code=c").await.status, status, "{error}");
    }
    assert!(world.door.index.sessions().list().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_browser_that_set_out_comes_back() {
    let world = World::start().await;
    let (journey, other) = (world.set_out("/").await, world.set_out("/").await);
    let swapped = Journey { asked: journey.asked.clone(), cookie: other.cookie.clone() };
    assert_eq!(world.come_back(&swapped, "&code=c").await.status, 400, "another browser");
    let declined = world.come_back(&journey, "&error=access_denied").await;
    assert_eq!(declined.status, 403);
    let foreign = world.come_back(&other, "&code=c&iss=https%3A%2F%2Fanother.example").await;
    assert_eq!(foreign.status, 403, "another issuer sent it back");
    let late = world.set_out("/").await;
    world.door.weir.clock.advance(600);
    assert_eq!(world.come_back(&late, "&code=c").await.status, 400, "too late");
    assert_eq!(world.provider.count("POST", "/token"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_may_change_its_keys() {
    let world = World::start().await;
    let journey = world.set_out("/").await;
    assert_eq!(world.come_back(&journey, "&code=c").await.status, 303);
    *world.script.key.lock().unwrap() = ("k2".into(), key());
    let journey = world.set_out("/").await;
    assert_eq!(world.come_back(&journey, "&code=c").await.status, 403, "keys were asked for a moment ago");
    world.door.weir.clock.advance(60);
    let journey = world.set_out("/").await;
    assert_eq!(world.come_back(&journey, "&code=c").await.status, 303);
    assert_eq!(world.provider.count("GET", "/jwks"), 2);
    assert_eq!(world.provider.count("GET", "/openid-configuration"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_is_said_to_be() {
    let settings = [
        CLOSED,
        ("AUTH__OIDC__ISSUER", "http://127.0.0.1:1"),
        ("AUTH__OIDC__CLIENT_ID", "weir"),
        ("AUTH__OIDC__VIEWERS", "staff"),
    ];
    let door = Door::start(&settings).await;
    let got = door.get("/sign-in/oidc", &[]).await;
    assert_eq!(got.status, 502);
    assert!(text(&got).contains("cannot be reached") && !text(&got).contains("127.0.0.1:1"), "{}", text(&got));
}
