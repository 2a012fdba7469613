//! The console in a real browser, over a weir with real pulls and two clusters; and the API against its own description.
//!
//! The tests themselves are in `deploy/console`: Playwright runs them in Debian's Chromium. This part makes the world they look
//! at, tells them what is in it, and fails with their output.

mod browser;
mod description;
mod facts;
mod feed;
mod images;
mod workloads;
mod world;

use serde_json::json;

use self::browser::{CLIENT, Provider, browse};
use self::facts::facts;
use self::world::World;
use crate::support::machine;

#[test]
fn every_behaviour_of_the_console_is_there_in_a_real_browser() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::start(directory.path());
    let report = format!("http://{}", world.weir().report);
    let provider = Provider::start(directory.path(), &report);
    let tokens = ["viewer", "editor", "administrator"].map(|role| (role.to_owned(), json!(world.token(role))));
    world.closed(&[
        ("AUTH__ANONYMOUS", "none"),
        ("AUTH__OIDC__ISSUER", &provider.issuer),
        ("AUTH__OIDC__CLIENT_ID", CLIENT),
        ("AUTH__OIDC__CLIENT_SECRET_FILE", provider.secret.to_str().unwrap()),
        ("AUTH__OIDC__VIEWERS", "viewers"),
        ("AUTH__OIDC__EDITORS", "editors"),
        ("AUTH__OIDC__ADMINISTRATORS", "administrators"),
    ]);
    browse(directory.path(), &facts(&world, &tokens.into_iter().collect(), &json!({"issuer": provider.issuer})));
}
