#!/usr/bin/env bash
# Checks dependencies: none unused (cargo-machete), licences, sources and duplicates as deny.toml says (cargo-deny).
#
# Takes:  nothing; CARGO_TOOLS names where missing tools are installed (default: weir's cache directory).
# Does:   installs a missing tool once, unoptimised, since compiling it costs more than running it ever will.
# Leaves: the tools in CARGO_TOOLS/bin.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
TOOLS=${CARGO_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/weir/tools}
PATH=$TOOLS/bin:$PATH

# install NAME VERSION [OPTION...]: unless some version of it is there.
install() {
  local name=$1 version=$2
  shift 2
  if command -v "$name" >/dev/null; then return 0; fi
  printf 'installing %s %s\n' "$name" "$version"
  # Its own target directory, removed afterwards: it shares nothing with weir's.
  CARGO_TARGET_DIR=$TOOLS/target cargo install --quiet --locked --debug --root "$TOOLS" --version "$version" "$@" "$name"
  rm -rf "$TOOLS/target"
}

install cargo-machete 0.9.2
install cargo-deny 0.20.2 --no-default-features

# deny reads every manifest of the lock file, also of what only another platform needs.
cargo fetch --quiet --locked
failed=0
cargo machete || failed=1
cargo deny --offline --log-level warn check bans licenses sources || failed=1
exit "$failed"
