#!/usr/bin/env bash
# Links weir as it is released: the crates it is made of are listed in it, and of libraries it needs the C library and libgcc alone.
#
# Takes:  OUT; CARGO_TARGET_DIR, CC and CXX as the Makefile exports them.
# Does:   links the program once more from the crates that `make build` compiled, the very ones the tests run with: cargo-auditable adds
#         the list, and the C++ library comes from an archive, so that no particular release of it has to be installed.
#         cargo-auditable is installed once a machine.
# Leaves: OUT, without debugging information but with the names of functions, for backtraces; CARGO_TARGET_DIR/release/weir as it was.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly ROOT=$HERE/../..
readonly TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/weir/cargo-auditable
readonly AUDITABLE=0.7.7
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"

main() {
  (($# == 1)) || fail 'usage: binary.sh OUT'
  [[ -n ${CARGO_TARGET_DIR:-} && -n ${CXX:-} ]] || fail 'CARGO_TARGET_DIR and CXX are not set: use make, or export what the Makefile exports'
  local out
  out=$(realpath --canonicalize-missing "$1")
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/weir-binary.XXXXXX")
  trap 'rm -rf "$WORK"' EXIT
  install_auditable
  cd "$ROOT"
  # C libraries are compiled anew where it is another than the last time, RocksDB among them; nothing of them holds a time.
  unset SOURCE_DATE_EPOCH
  cargo build --quiet --release --workspace --locked
  link_auditable
  mkdir -p "$(dirname "$out")"
  # A debug link would be of no use without the file it names.
  objcopy --strip-debug "$CARGO_TARGET_DIR/release/weir" "$out"
  # Hands release/weir back to the build it is of.
  cargo build --quiet --release --workspace --locked
  check "$out"
}

# The tests of the scanner use the same copy.
install_auditable() {
  if [[ -x $TOOLS/bin/cargo-auditable ]]; then return 0; fi
  say "installing cargo-auditable $AUDITABLE"
  CARGO_TARGET_DIR=$TOOLS/target cargo install --quiet --locked --debug --root "$TOOLS" --version "$AUDITABLE" cargo-auditable
  rm -rf "$TOOLS/target"
}

# cargo-auditable asks cargo for a wrapper around rustc that makes workspace crates other crates, to be compiled anew. The same wrapper
# for all crates changes none: only the program, which has other arguments for the linker, is linked again.
link_auditable() {
  cat >"$WORK/cargo" <<'CARGO'
#!/bin/sh
RUSTC_WRAPPER=$RUSTC_WORKSPACE_WRAPPER
export RUSTC_WRAPPER
unset RUSTC_WORKSPACE_WRAPPER
exec cargo "$@"
CARGO
  chmod 755 "$WORK/cargo"
  # The linker takes the first directory that has a library of that name in any form. Its path stays: it is an argument that cargo
  # compares with the last time's.
  local static=$CARGO_TARGET_DIR/static-c++
  mkdir -p "$static"
  ln -sfn "$(g++ -print-file-name=libstdc++.a)" "$static/libstdc++.a"
  CARGO=$WORK/cargo "$TOOLS/bin/cargo-auditable" auditable rustc --quiet --release --locked --package weir-proxy --bin weir -- \
    -C "link-arg=-L$static"
}

# What is promised above, of the file that is left.
check() {
  local libraries
  readelf --wide --sections "$1" | grep -q '\.dep-v0' || fail "$1 does not list its crates"
  libraries=$(readelf --wide --dynamic "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
  [[ $libraries != *libstdc++* ]] || fail "$1 needs the C++ library: $libraries"
  say "binary: $(stat --format %s "$1") bytes, needs $libraries$(glibc_of "$1")"
}

# The newest version of the C library that any of its symbols is from.
glibc_of() {
  printf 'and of the C library version '
  objdump --dynamic-syms "$1" | grep -o 'GLIBC_[0-9.]*' | sort --version-sort --unique | tail -n 1 | cut -d _ -f 2
}

main "$@"
