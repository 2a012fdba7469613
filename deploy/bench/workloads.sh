#!/usr/bin/env bash
# Measures weir over a large cluster: how soon its report is whole, memory, churn, scrapes.
#
# Takes:  ADVISORIES (a folder laid out as the OSV bucket) [PODS] [IMAGES]; CARGO_TARGET_DIR and WEIR_BIN from the environment.
# Does:   makes a data directory of matched images with proxy/examples/fleet.rs, runs proxy/examples/workloads.rs over it and prints
#         its figures, one a line; nothing where the advisories are not there.
# Leaves: nothing.
set -euo pipefail

ADVISORIES=$1
PODS=${2:-50000}
IMAGES=${3:-2000}
if [[ ! -d $ADVISORIES ]]; then
  echo "workloads: left out, there are no advisories in $ADVISORIES"
  exit 0
fi
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cargo build --release --locked -p weir-proxy --example fleet --example workloads
"$CARGO_TARGET_DIR/release/examples/fleet" "$ADVISORIES" "$WORK" "$IMAGES" >"$WORK/fleet.log"
"$CARGO_TARGET_DIR/release/examples/workloads" "$WEIR_BIN" "$WORK" "$PODS"
