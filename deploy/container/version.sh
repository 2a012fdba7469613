#!/usr/bin/env bash
# What is being built: weir's version, from the one place that has it, and the commit. Sourced after common.sh; ROOT is the checkout.

# workspace_value KEY: a text of [workspace.package] in Cargo.toml.
workspace_value() {
  local value
  value=$(python3 -c 'import sys, tomllib; print(tomllib.load(open(sys.argv[1], "rb"))["workspace"]["package"][sys.argv[2]])' \
    "$ROOT/Cargo.toml" "$1") || fail "Cargo.toml: no workspace.package.$1"
  printf '%s\n' "$value"
}

workspace_version() {
  workspace_value version
}

# The commit, marked where files differ from it.
revision() {
  local commit
  commit=$(git -C "$ROOT" rev-parse HEAD) || fail 'not a checkout: the image names the commit it is made of'
  if [[ -n $(git -C "$ROOT" status --porcelain) ]]; then commit+=-dirty; fi
  printf '%s\n' "$commit"
}

# The commit's instant as seconds, for everything that carries a date.
commit_time() {
  git -C "$ROOT" log -1 --format=%ct || fail 'not a checkout: set SOURCE_DATE_EPOCH'
}

# Where the source is, if the checkout came from a place that others reach as well.
https_remote() {
  git -C "$ROOT" remote get-url origin 2>/dev/null | grep '^https://' || true
}
