//! What an ID token has to prove, OpenID Connect Core 1.0 section 3.1.3.7, and whom it names.

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use weir_config::Role;

use super::OidcError;
use super::signature::ALGORITHMS;

/// How far the provider's clock and this one may differ, in seconds.
const LEEWAY: i64 = 60;
/// The longest name that is shown, in bytes.
const MAX_NAME: usize = 200;

/// What a token is held to.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// Seconds since the epoch.
    pub(super) now: i64,
}

/// What a token says that holds.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

#[derive(Deserialize)]
struct Standard {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The header of a token whose algorithm is one of [`ALGORITHMS`].
pub(super) fn header(token: &str) -> Result<Header, OidcError> {
    let header = decode_header(token).map_err(|error| refused(format!("its header cannot be read: {error}")))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(refused(format!("it is signed with {:?}; RS256 and ES256 are known", header.alg)));
    }
    Ok(header)
}

/// The keys that a token with this header may be signed with.
pub(super) fn candidates<'a>(keys: &'a JwkSet, header: &Header) -> Vec<&'a Jwk> {
    let fits = |key: &&Jwk| {
        let of_kid = header.kid.is_none() || header.kid == key.common.key_id;
        of_kid && !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption))
    };
    keys.keys.iter().filter(fits).collect()
}

/// Verifies a token with one of `keys`.
///
/// # Errors
/// What does not hold.
pub(super) fn verify(
    token: &str,
    header: &Header,
    keys: &[&Jwk],
    expected: &Expected<'_>,
) -> Result<Claims, OidcError> {
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    // The time is asked of this crate's clock, below.
    validation.validate_exp = false;
    let family: AlgorithmFamily = header.alg.family();
    let usable = keys.iter().filter_map(|key| DecodingKey::from_jwk(key).ok()).filter(|key| key.family() == family);
    let mut failure = refused("none of the provider's keys is of its algorithm");
    for key in usable {
        match decode::<Map<String, Value>>(token, &key, &validation) {
            Ok(decoded) => return hold(decoded.claims, expected),
            Err(error) => failure = refused(error.to_string()),
        }
    }
    Err(failure)
}

fn hold(claims: Map<String, Value>, expected: &Expected<'_>) -> Result<Claims, OidcError> {
    let standard: Standard = serde_json::from_value(Value::Object(claims.clone()))
        .map_err(|error| refused(format!("its claims cannot be read: {error}")))?;
    if standard.iss != expected.issuer {
        return Err(refused("another issuer made it"));
    }
    let several = match &standard.aud {
        Audience::One(audience) => audience != expected.client_id,
        Audience::Many(all) => all.len() != 1,
    };
    // Section 3.1.3.7, 4 and 5: who it was made for says so where there are several.
    match &standard.azp {
        None if several => return Err(refused("it is for several parties and does not say which asked for it")),
        Some(party) if party != expected.client_id => return Err(refused("another party asked for it")),
        _ => {}
    }
    let now = expected.now as f64;
    if standard.exp + LEEWAY as f64 <= now {
        return Err(refused("it has expired; do the clocks agree?"));
    }
    if standard.iat - LEEWAY as f64 > now {
        return Err(refused("it was made in the future; do the clocks agree?"));
    }
    if standard.nonce.as_deref() != Some(expected.nonce) {
        return Err(refused("it answers another sign-in"));
    }
    // Where nothing else names the person, it is what is shown and written down.
    if standard.sub.is_empty() || standard.sub.len() > 255 || standard.sub.chars().any(char::is_control) {
        return Err(refused("its subject has not 1 to 255 characters, or control characters among them"));
    }
    Ok(Claims(claims))
}

impl Claims {
    /// The provider's own name for the person.
    pub(super) fn subject(&self) -> &str {
        self.0.get("sub").and_then(Value::as_str).unwrap_or_default()
    }

    /// What the person is called.
    pub(super) fn name(&self) -> &str {
        let sound = |name: &&str| !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
        let claim = |claim: &str| self.0.get(claim).and_then(Value::as_str).filter(sound);
        claim("preferred_username").or_else(|| claim("email")).or_else(|| claim("name")).unwrap_or(self.subject())
    }

    /// The highest role that a value of `claim` gives.
    pub(super) fn role(&self, claim: &str, values: &[(Role, Vec<String>)]) -> Option<Role> {
        let has = |value: &String| match self.0.get(claim) {
            Some(Value::String(one)) => one == value,
            Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(value)),
            _ => false,
        };
        values.iter().filter(|(_, values)| values.iter().any(has)).map(|(role, _)| *role).max()
    }
}

fn refused(why: impl Into<String>) -> OidcError {
    OidcError::Token(why.into())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::super::signature::install;
    use super::*;

    const NOW: i64 = 1_790_000_000;

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Self {
            install();
            let random = SystemRandom::new();
            let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap())
        }

        fn keys(&self) -> JwkSet {
            let point = self.0.public_key().as_ref();
            let (x, y) = point[1..].split_at(32);
            let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
            let key = json!({"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "x": x, "y": y});
            serde_json::from_value(json!({"keys": [key]})).unwrap()
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
            let message = format!("{}.{}", part(header), part(claims));
            let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        }
    }

    fn es256() -> Value {
        json!({"alg": "ES256", "kid": "k1"})
    }

    fn claims() -> Value {
        json!({
            "iss": "https://login.example", "sub": "00u1", "aud": "weir", "exp": NOW + 300, "iat": NOW, "nonce": "n1",
            "preferred_username": "ada", "groups": ["staff", "security"],
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn check(token: &str, keys: &JwkSet) -> Result<Claims, OidcError> {
        let expected = Expected { issuer: "https://login.example", client_id: "weir", nonce: "n1", now: NOW };
        let header = header(token)?;
        verify(token, &header, &candidates(keys, &header), &expected)
    }

    #[test]
    fn a_token_holds_only_if_everything_in_it_does() {
        let signer = Signer::new();
        let keys = signer.keys();
        let named = check(&signer.sign(&es256(), &claims()), &keys).unwrap();
        assert_eq!((named.subject(), named.name()), ("00u1", "ada"));
        for (name, value, holds) in [
            ("iss", json!("https://login.example/"), false),
            ("iss", json!(["https://login.example"]), false),
            ("aud", json!("other"), false),
            ("aud", json!(["weir"]), true),
            ("aud", json!(["weir", "other"]), false),
            ("azp", json!("weir"), true),
            ("azp", json!("other"), false),
            ("exp", json!(NOW - 59), true),
            ("exp", json!(NOW - 60), false),
            ("exp", json!("tomorrow"), false),
            ("exp", Value::Null, false),
            ("iat", json!(NOW + 60), true),
            ("iat", json!(NOW + 61), false),
            ("iat", Value::Null, false),
            ("nonce", json!("n2"), false),
            ("nonce", Value::Null, false),
            ("sub", json!(""), false),
            ("sub", json!("00u1\nx"), false),
            ("sub", Value::Null, false),
        ] {
            let token = signer.sign(&es256(), &with(name, value.clone()));
            assert_eq!(check(&token, &keys).is_ok(), holds, "{name}: {value}");
        }
        let mut several = with("aud", json!(["weir", "other"]));
        several["azp"] = json!("weir");
        assert!(check(&signer.sign(&es256(), &several), &keys).is_ok());
    }

    #[test]
    fn no_token_chooses_how_it_is_checked() {
        let (signer, other) = (Signer::new(), Signer::new());
        let keys = signer.keys();
        let good = signer.sign(&es256(), &claims());
        let (message, signature) = good.rsplit_once('.').unwrap();
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "HS256", "kid": "k1"}),
            json!({"alg": "RS256", "kid": "k1"}),
            json!({"alg": "ES384", "kid": "k1"}),
            json!({"alg": "ES256", "kid": "k2"}),
        ] {
            assert!(check(&signer.sign(&header, &claims()), &keys).is_err(), "{header}");
        }
        for broken in [format!("{message}."), message.to_owned(), String::new(), format!("{message}.{signature}x")] {
            assert!(check(&broken, &keys).is_err(), "{broken}");
        }
        assert!(check(&other.sign(&es256(), &claims()), &keys).is_err(), "another's key");
        assert!(check(&signer.sign(&json!({"alg": "ES256"}), &claims()), &keys).is_ok(), "one key needs no name");
    }

    #[test]
    fn the_highest_role_counts_and_a_name_is_one_that_can_be_shown() {
        let roles = [
            (Role::Viewer, vec!["staff".to_owned()]),
            (Role::Editor, vec!["security".to_owned()]),
            (Role::Administrator, vec!["platform".to_owned()]),
        ];
        for (value, role) in [
            (json!(["staff", "security"]), Some(Role::Editor)),
            (json!("platform"), Some(Role::Administrator)),
            (json!("staff platform"), None),
            (json!([]), None),
            (json!({"staff": true}), None),
            (Value::Null, None),
        ] {
            let Value::Object(claims) = with("groups", value.clone()) else { unreachable!() };
            assert_eq!(Claims(claims).role("groups", &roles), role, "{value}");
        }
        let unreadable = json!({"sub": "00u1", "preferred_username": "a\nb", "email": "a@b.example"});
        let Value::Object(claims) = unreadable else { unreachable!() };
        assert_eq!(Claims(claims).name(), "a@b.example");
    }
}
