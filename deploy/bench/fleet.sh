#!/usr/bin/env bash
# Measures matching over a synthetic fleet of stored images, on real advisories.
#
# Takes:  ADVISORIES (a folder laid out as the OSV bucket) IMAGES; CARGO_TARGET_DIR from the environment.
# Does:   builds proxy/examples/fleet.rs and prints its figures, one a line; nothing where the advisories are not there.
# Leaves: nothing.
set -euo pipefail

ADVISORIES=$1
IMAGES=$2
if [[ ! -d $ADVISORIES ]]; then
  echo "fleet: left out, there are no advisories in $ADVISORIES"
  exit 0
fi
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cargo build --release --locked -p weir-proxy --example fleet
"$CARGO_TARGET_DIR/release/examples/fleet" "$ADVISORIES" "$WORK" "$IMAGES"
