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
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"

main() {
  local key target
  key=$({ cat "$HERE/package.json" "$HERE/package-lock.json"; node --version; uname -m; } | sha256sum | cut -c 1-16)
  target=$CACHE/$key
  once "$target" install_into
  (
    flock 9
    if [[ $(readlink "$HERE/node_modules" || true) != "$target/node_modules" ]]; then
      rm -rf "$HERE/node_modules"
      ln -s "$target/node_modules" "$HERE/node_modules"
    fi
  ) 9>"$CACHE/lock"
}

install_into() {
  say 'installing the modules of the browser tests'
  cp "$HERE/package.json" "$HERE/package-lock.json" "$HERE/.npmrc" "$1"
  (cd "$1" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --ignore-scripts)
}

main "$@"
