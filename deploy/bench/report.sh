#!/usr/bin/env bash
# Measures the report of a weir over a large synthetic fleet: lists and statistics under load, console pages, memory, restart.
#
# Takes:  [IMAGES] [CONTAINERS] [FINDINGS] [SECONDS]; CARGO_TARGET_DIR and WEIR_BIN from the environment.
# Does:   makes a data directory with proxy/examples/report, runs report.py over it and prints its figures as a table.
# Leaves: nothing.
set -euo pipefail

HERE=$(dirname "$0")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cargo build --release --locked -p weir-proxy --example report
"$CARGO_TARGET_DIR/release/examples/report" "$WORK" "${1:-10000}" "${2:-50000}" "${3:-2000000}"
python3 "$HERE/report.py" "$WEIR_BIN" "$WORK" "${4:-180}"
