#!/usr/bin/env bash
# Links weir as it is released, twice; the crates it is made of are listed in both programs.
#
# Takes:  OUTDIR; CARGO_TARGET_DIR, CC and CXX as the Makefile exports them.
# Does:   links the program once more from the crates that `make build` compiled, the very ones the tests run with: cargo-auditable adds
#         the list, and the C++ library comes from an archive, so that no particular release of it has to be installed.
#         cargo-auditable is installed once a machine.
# Leaves: OUTDIR/weir         for the image: of libraries it needs the C library and libgcc alone, which scanners see there
#         OUTDIR/weir-static  for machines: it needs nothing, so that it runs wherever the kernel does
#         Both without debugging information but with the names of functions, for backtraces; CARGO_TARGET_DIR/release/weir as it was.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly ROOT=$HERE/../..
readonly TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/weir/cargo-auditable
readonly AUDITABLE=0.7.7
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"

main() {
  (($# == 1)) || fail 'usage: binary.sh OUTDIR'
  [[ -n ${CARGO_TARGET_DIR:-} && -n ${CXX:-} ]] || fail 'CARGO_TARGET_DIR and CXX are not set: use make, or export what the Makefile exports'
  mkdir -p "$1"
  OUTDIR=$(cd "$1" && pwd)
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/weir-binary.XXXXXX")
  trap 'rm -rf "$WORK"' EXIT
  install_auditable
  cd "$ROOT"
  # C libraries are compiled anew where it is another than the last time, RocksDB among them; nothing of them holds a time.
  unset SOURCE_DATE_EPOCH
  cargo build --quiet --release --workspace --locked
  archives
  link_auditable weir
  link_auditable weir-static -C target-feature=+crt-static -C "link-arg=$ARCHIVES/names.o"
  # Hands release/weir back to the build it is of.
  cargo build --quiet --release --workspace --locked
  check_needs weir '^ld-linux[^ ]* libc.so.6 libgcc_s.so.1 libm.so.6 $'
  check_needs weir-static '^$'
}

# The tests of the scanner use the same copy.
install_auditable() {
  if [[ -x $TOOLS/bin/cargo-auditable ]]; then return 0; fi
  say "installing cargo-auditable $AUDITABLE"
  CARGO_TARGET_DIR=$TOOLS/target cargo install --quiet --locked --debug --root "$TOOLS" --version "$AUDITABLE" cargo-auditable
  rm -rf "$TOOLS/target"
}

# What is linked in, in a place that stays: it is an argument that cargo compares with the last time's.
archives() {
  ARCHIVES=$CARGO_TARGET_DIR/archives
  mkdir -p "$ARCHIVES"
  # The linker takes the first directory that has a library of that name in any form.
  ln -sfn "$(g++ -print-file-name=libstdc++.a)" "$ARCHIVES/libstdc++.a"
  gcc -O2 -fPIC -Wall -Werror -c "$HERE/names.c" -o "$ARCHIVES/names.o"
}

# link_auditable NAME ARGUMENT...: OUTDIR/NAME, linked with these arguments of rustc.
# cargo-auditable asks cargo for a wrapper around rustc that makes workspace crates other crates, to be compiled anew. The same wrapper
# for all crates changes none: only the program, which has other arguments for the linker, is linked again.
link_auditable() {
  local name=$1
  shift
  cat >"$WORK/cargo" <<'CARGO'
#!/bin/sh
RUSTC_WRAPPER=$RUSTC_WORKSPACE_WRAPPER
export RUSTC_WRAPPER
unset RUSTC_WORKSPACE_WRAPPER
exec cargo "$@"
CARGO
  chmod 755 "$WORK/cargo"
  CARGO=$WORK/cargo "$TOOLS/bin/cargo-auditable" auditable rustc --quiet --release --locked --package weir-proxy --bin weir -- \
    -C "link-arg=-L$ARCHIVES" "$@"
  # A debug link would be of no use without the file it names.
  objcopy --strip-debug "$CARGO_TARGET_DIR/release/weir" "$OUTDIR/$name"
}

# check_needs NAME LIBRARIES: what is promised above, of the file that is left; the libraries as a pattern of their names in order.
check_needs() {
  local file=$OUTDIR/$1 libraries
  [[ $(readelf --wide --sections "$file") == *.dep-v0* ]] || fail "$1 does not list its crates"
  libraries=$(readelf --wide --dynamic "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
  [[ $libraries =~ $2 ]] || fail "$1 needs other libraries than it should: $libraries"
  say "program: $1, $(stat --format %s "$file") bytes, needs ${libraries:-nothing}$(glibc_of "$file")"
}

# The newest version of the C library that any of its symbols is from.
glibc_of() {
  objdump --dynamic-syms "$1" | grep -o 'GLIBC_[0-9.]*' | sort --version-sort --unique | tail -n 1 |
    sed 's/^GLIBC_/of the C library version /'
}

main "$@"
