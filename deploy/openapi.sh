#!/usr/bin/env bash
# Holds the API against its own description: schemathesis makes requests of /openapi.json, good and bad ones, and checks each answer.
#
# Takes:  the URL of a weir's report, and WEIR_TOKEN where it is closed; without a URL WEIR_BIN, ADVISORIES (a directory laid out as the
#         OSV bucket; default: ../shared/advisories/osv beside the checkout) and the image of `make image` in WEIR_IMAGE_DIR, of which it
#         makes a weir of its own. OPENAPI_EXAMPLES: requests an endpoint at most (default 50); OPENAPI_SEED: which.
# Does:   installs the pinned schemathesis once a machine; runs every check with deploy/lib/openapi_hooks.py.
# Leaves: nothing but CACHE/openapi; fails with what schemathesis found.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/weir/openapi
# shellcheck source=deploy/lib/common.sh
source "$HERE/lib/common.sh"
# shellcheck source=deploy/lib/services.sh
source "$HERE/lib/services.sh"

main() {
  RUN=$(mktemp -d "${TMPDIR:-/tmp}/weir-openapi.XXXXXX")
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  local url=${1:-}
  if [[ -z $url ]]; then
    start_world
    url=$REPORT_URL
  fi
  install_schemathesis
  check "$url"
}

leave() {
  stop_all
  rm -rf "$RUN"
}

# A weir with feeds, two names of one image, and a scan that failed.
start_world() {
  [[ -x ${WEIR_BIN:-} ]] || fail 'WEIR_BIN names no program: use "make build", or give the URL of a report'
  [[ -d ${WEIR_IMAGE_DIR:-} ]] || fail 'WEIR_IMAGE_DIR is no directory: use "make image", or give the URL of a report'
  local osv=${ADVISORIES:-$HERE/../../shared/advisories/osv} registry feed
  for feed in Debian PyPI npm; do
    if [[ -d $osv/$feed ]]; then
      mkdir -p "$RUN/feeds"
      ln -s "$(cd "$osv/$feed" && pwd)" "$RUN/feeds/$feed"
    fi
  done
  [[ -d $RUN/feeds ]] || fail "no feeds in $osv: set ADVISORIES"
  "$WEIR_BIN" advisories import "$RUN/feeds" --data "$RUN/data" >"$RUN/import.log" 2>&1 || fail "the import failed: $(<"$RUN/import.log")"
  start_registry "$RUN" "$RUN/registry.port"
  registry=127.0.0.1:$(<"$RUN/registry.port")
  push 1 "$registry/library/first:1"
  push multi "$registry/team/second:1"
  # Nothing of the world outside is asked for.
  export WEIR_UPSTREAM__0__NAME=docker.io WEIR_UPSTREAM__0__URL=http://$registry
  export WEIR_ADVISORY__SOURCE=$RUN/feeds
  start_weir "$RUN"
  scan docker.io/library/first:1
  scan docker.io/team/second:1
  scan docker.io/library/missing:1
  service_ready 120 weir "$RUN" is_scanned || fail 'no scan came to its end'
}

# push TAG REFERENCE
push() {
  skopeo --insecure-policy copy --all --quiet --dest-tls-verify=false "oci:$WEIR_IMAGE_DIR/oci:$1" "docker://$2"
}

scan() {
  curl --fail --silent --noproxy '*' --output /dev/null --json "{\"reference\": \"$1\"}" "$REPORT_URL/api/v1/scans"
}

is_scanned() {
  local scans
  scans=$(curl --fail --silent --noproxy '*' "$REPORT_URL/api/v1/scans") || return
  jq --exit-status '[.items[].state] | all(. == "done" or . == "failed" or . == "partial")' <<<"$scans"
}

# Another list or another Python is another directory.
install_schemathesis() {
  local key
  key=$({ cat "$HERE/lib/openapi.txt"; python3 --version; uname -m; } | sha256sum | cut -c 1-16)
  SCHEMATHESIS=$CACHE/$key
  if [[ ! -d $SCHEMATHESIS ]]; then say 'installing schemathesis'; fi
  once "$SCHEMATHESIS" pip_into "$HERE/lib/openapi.txt"
}

check() {
  local url=$1 options=(--checks all --exclude-checks ignored_auth --max-examples "${OPENAPI_EXAMPLES:-50}" --no-color --seed "${OPENAPI_SEED:-1}")
  if [[ -n ${WEIR_TOKEN:-} ]]; then options+=(--header "Authorization: Bearer $WEIR_TOKEN"); fi
  (
    cd "$RUN"
    cp "$HERE/lib/openapi.toml" schemathesis.toml
    PYTHONPATH=$SCHEMATHESIS:$HERE/lib SCHEMATHESIS_HOOKS=openapi_hooks NO_PROXY='*' HYPOTHESIS_STORAGE_DIRECTORY=$RUN/hypothesis \
      python3 -m schemathesis.cli run "$url/openapi.json" "${options[@]}"
  )
}

main "$@"
