#!/usr/bin/env bash
# Installs what the tests in deploy/console run with, once a machine.
#
# Takes:  nothing; node, npm and chromium as deploy/install.sh brings them.
# Does:   installs the locked packages of deploy/console/package-lock.json. Another lock is another directory. Playwright brings no
#         browser along: the tests drive the distribution's.
# Leaves: CACHE/console/KEY, and deploy/console/node_modules as a link to its node_modules: modules are looked for beside the tests.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../console" && pwd)
readonly HERE
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/weir/console

main() {
  local key target
  key=$({ cat "$HERE/package.json" "$HERE/package-lock.json"; node --version; uname -m; } | sha256sum | cut -c 1-16)
  target=$CACHE/$key
  mkdir -p "$CACHE"
  (
    flock 9
    if [[ ! -d $target ]]; then install_into "$target" >&2; fi
    if [[ $(readlink "$HERE/node_modules" || true) != "$target/node_modules" ]]; then
      rm -rf "$HERE/node_modules"
      ln -s "$target/node_modules" "$HERE/node_modules"
    fi
  ) 9>"$CACHE/lock"
}

# A directory appears whole or not at all.
install_into() {
  work=$(mktemp -d "$CACHE/new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  printf 'installing the modules of the browser tests\n'
  cp "$HERE/package.json" "$HERE/package-lock.json" "$HERE/.npmrc" "$work"
  (cd "$work" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --ignore-scripts)
  chmod 755 "$work"
  mv "$work" "$1"
  trap - EXIT
}

main "$@"
