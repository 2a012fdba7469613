//! Makes a data directory as that of a large organisation: `report WORK [IMAGES] [CONTAINERS] [FINDINGS] [VULNERABILITIES]`.
//!
//! Takes an empty folder and how many images (10,000), containers (50,000), findings (2,000,000) and vulnerabilities (24,000, of which
//! most are found). Writes everything through the index as weir itself would have over 400 days; nothing is real, everything has real
//! sizes, and the same arguments give the same fleet. Beside the index it leaves `feeds/kev.json` and `feeds/epss.csv`, and `world.json`:
//! names to ask for, and pods for whoever plays the agents. `deploy/bench/report.sh` measures weir over it.
#![allow(clippy::unwrap_used, reason = "a program for measuring: whatever fails ends it")]

mod catalogue;
mod clusters;
mod images;
mod plan;

use std::path::Path;

use weir_proxy::app::open_index;
use weir_proxy::clock::Clock;

use catalogue::Catalogue;
use clusters::{SESSION, World};
use images::{Store, write_feeds};
use plan::{Plan, REGISTRY};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let work = Path::new(arguments.first().expect("report WORK [IMAGES] [CONTAINERS] [FINDINGS] [VULNERABILITIES]"));
    let number = |at: usize, usual| arguments.get(at).map_or(usual, |text| text.parse().unwrap());
    let (images, containers) = (number(1, 10_000), number(2, 50_000));
    let (findings, vulnerabilities) = (number(3, 2_000_000), number(4, 24_000));
    let now = Clock::system().now();
    let catalogue = Catalogue::new(&mut fastrand::Rng::with_seed(3), vulnerabilities);
    let plan = Plan::new(&catalogue, 7, (images, findings), now);
    let world = World::new(&plan, containers, now);

    let index = open_index(work).unwrap();
    let store = Store::new(&index, &catalogue, &plan, now);
    store.run();
    world.store(&index);
    index.sync().unwrap();
    let feeds = work.join("feeds");
    std::fs::create_dir_all(&feeds).unwrap();
    write_feeds(&feeds, &catalogue);
    std::fs::write(work.join("world.json"), names(&store, &world).to_string()).unwrap();

    let (containers, workloads) = world.sizes();
    println!("images: {}", plan.images.len());
    println!("repositories: {}", plan.teams.len());
    println!("findings: {}", plan.findings(&catalogue));
    println!("containers: {containers} of {workloads} workloads");
}

/// What a driver may ask for: some of every kind of name.
fn names(store: &Store<'_>, world: &World<'_>) -> serde_json::Value {
    let plan = store.plan;
    let images = plan.images.iter().step_by(37);
    serde_json::json!({
        "session": SESSION,
        "registry": REGISTRY,
        "repositories": plan.teams.iter().step_by(5).map(|team| format!("{REGISTRY}/{}", team.repository)).collect::<Vec<_>>(),
        "images": images.clone().map(|image| image.digest.to_string()).collect::<Vec<_>>(),
        "pairs": plan.teams.iter().filter(|team| team.releases.len() > 2).step_by(9).map(|team| {
            [0, team.releases.len() - 1].map(|release| plan.images[team.releases[release].images[0]].digest.to_string())
        }).collect::<Vec<_>>(),
        "layers": images.clone().step_by(9).map(|image| store.layers(image)[0].to_string()).collect::<Vec<_>>(),
        "vulnerabilities": store.catalogue.vulnerabilities.iter().step_by(61).map(|known| &known.id).collect::<Vec<_>>(),
        "pods": world.pods(),
    })
}
