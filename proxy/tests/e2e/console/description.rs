//! The API against its own description, over everything the world has.

use std::process::Command;

use super::world::World;
use crate::support::{checkout, machine, run};

/// Requests of an endpoint at most.
const EXAMPLES: &str = "20";

#[test]
fn every_answer_is_what_openapi_json_says() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let world = World::start(directory.path());
    let report = format!("http://{}", world.weir().report);
    let mut check = Command::new(checkout().join("deploy/openapi.sh"));
    check.arg(&report).env("WEIR_TOKEN", world.token("administrator")).env("OPENAPI_EXAMPLES", EXAMPLES);
    println!("{}", run(&mut check));
}
