#!/usr/bin/env bash
# Fuzzes whatever reads bytes from outside: every target of scanner/fuzz in turn, for an equal share of the time.
#
# Takes:  SECONDS in all; FUZZ_CORPUS, where inputs that reached new code are kept (default: weir's cache directory).
# Does:   builds the targets with coverage on the stable toolchain, without the address sanitizer, which needs nightly
#         and has little to find in code without unsafe; runs each from its seeds and its corpus.
# Leaves: the corpora. On a finding: the input in FUZZ_CORPUS/findings, its path in the output, exit status 1; the other
#         targets still have their turn.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../scanner/fuzz"
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/weir
CORPUS=${FUZZ_CORPUS:-$CACHE/fuzz}
HOST=$(rustc -vV | sed -n 's/^host: //p')
# Apart from weir's, since every dependency is built with coverage.
export CARGO_TARGET_DIR=$CACHE/target-fuzz
readonly COVERAGE="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"

main() {
  local seconds=${1:?usage: fuzz.sh SECONDS} targets target share failed=0
  targets=$(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"$|\1|p' Cargo.toml)
  build
  share=$((seconds / $(wc -w <<<"$targets")))
  ((share > 0)) || share=1
  for target in $targets; do
    fuzz "$target" "$share" || failed=1
  done
  return "$failed"
}

# With --target, build scripts and macros, which run here and now, are built without coverage.
build() {
  RUSTFLAGS="${RUSTFLAGS:-} $COVERAGE" cargo build --quiet --release --locked --target "$HOST" --bins
}

fuzz() {
  local target=$1 share=$2 corpus=$CORPUS/$1 log=$CORPUS/$1.log seeds=()
  mkdir -p "$corpus" "$CORPUS/findings"
  if [[ -d seeds/$target ]]; then seeds=("seeds/$target"); fi
  # Ten seconds for one input is a hang; 2 GiB is far above what any limit of the scanner allows.
  if ! "$CARGO_TARGET_DIR/$HOST/release/$target" "$corpus" "${seeds[@]}" -max_total_time="$share" -timeout=10 \
    -rss_limit_mb=2048 -artifact_prefix="$CORPUS/findings/$target-" -print_final_stats=1 >"$log" 2>&1; then
    printf '%s: FAILED\n' "$target"
    tail -n 40 "$log"
    return 1
  fi
  printf '%s: %s inputs in %d s, nothing found\n' "$target" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$share"
}

main "$@"
