#!/usr/bin/env bash
# `make demo-advisory`: an image is scanned and clean; an advisory is published; the finding appears, and nothing is pulled again.
#
# Takes:  WEIR_BIN (the built binary); ADVISORIES, a directory laid out as the OSV bucket (default: ../shared/advisories/osv beside
#         the checkout).
# Does:   makes an image with one real Python package, puts it in docker-registry, serves the PyPI feed over HTTP without its
#         advisories about that package, and pulls the image through weir with a real containerd. Then it publishes
#         the advisories, asks weir to refresh, and prints what the report says before and after, with what went over the wire.
# Leaves: nothing; everything lives in a temporary directory that goes with it.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"
# shellcheck source=deploy/lib/services.sh
source "$HERE/../lib/services.sh"

readonly PACKAGE=jinja2 VERSION=3.1.3
readonly REFERENCE=docker.io/library/clean:1

main() {
  [[ -x ${WEIR_BIN:-} ]] || fail 'WEIR_BIN names no program: use "make demo-advisory"'
  FEED=${ADVISORIES:-$HERE/../../../shared/advisories/osv}/PyPI
  [[ -f $FEED/all.zip ]] || fail "no feed of PyPI in $FEED: set ADVISORIES"
  RUN=$(mktemp -d "${TMPDIR:-/tmp}/weir-demo.XXXXXX")
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  make_image
  start_registry "$RUN" "$RUN/registry.port"
  local registry
  registry=127.0.0.1:$(<"$RUN/registry.port")
  skopeo --insecure-policy copy --quiet --dest-tls-verify=false "oci:$RUN/oci:1" "docker://$registry/library/clean:1"
  python3 "$HERE/feed.py" withhold "$FEED" "$RUN/feeds/PyPI" "$PACKAGE"
  serve_feeds
  export WEIR_UPSTREAM__0__NAME=docker.io WEIR_UPSTREAM__0__URL=http://$registry
  WEIR_ADVISORY__SOURCE=http://127.0.0.1:$(<"$RUN/feeds.port")
  export WEIR_ADVISORY__SOURCE
  start_weir "$RUN"
  start_containerd "$RUN/node"
  "$WEIR_BIN" hosts --mirror "$MIRROR_URL" --out "$RUN/certs.d" --only >/dev/null
  ctr_pull "$RUN/node" "$RUN/certs.d" "$REFERENCE" >"$RUN/pull.log" 2>&1 || fail 'the pull failed'

  DIGEST=$(skopeo --insecure-policy inspect --no-tags --tls-verify=false --format '{{.Digest}}' "docker://$registry/library/clean:1")
  service_ready 120 weir "$RUN" is_matched || fail 'no complete and matched result'
  show 'scanned, clean'
  local before after
  before=$(upstream_bytes)

  say "published:  $(python3 "$HERE/feed.py" publish "$FEED" "$RUN/feeds/PyPI" "$PACKAGE") advisories about $PACKAGE"
  "$WEIR_BIN" advisories refresh --data "$RUN/data"
  service_ready 60 weir "$RUN" has_findings || fail 'the finding did not appear'
  show 'after the advisories came'
  after=$(upstream_bytes)
  say "upstream:   $before bytes of blobs before, $after after"
  curl --fail --silent --noproxy '*' "$REPORT_URL/api/v1/images/$DIGEST/history" |
    jq -r '.items[] | "event:      \(.at) \(.kind) \(.vulnerability) \(.package) (\(.reason))"'
  [[ $before == "$after" ]] || fail 'bytes of the image were fetched again'
}

leave() {
  stop_all
  as_root rm -rf "$RUN"
}

make_image() {
  umoci init --layout "$RUN/oci"
  umoci new --image "$RUN/oci:1"
  as_root umoci unpack --image "$RUN/oci:1" "$RUN/bundle" 2>/dev/null
  as_root python3 -m pip install --quiet --no-deps --disable-pip-version-check --root-user-action ignore \
    --target "$RUN/bundle/rootfs/usr/lib/python3/dist-packages" "$PACKAGE==$VERSION"
  as_root umoci repack --image "$RUN/oci:1" --history.created_by "pip install $PACKAGE==$VERSION" "$RUN/bundle"
  as_root chown -R "$(id -u):$(id -g)" "$RUN/oci"
  say "image:      $PACKAGE $VERSION, from PyPI"
}

# The bucket over HTTP: Python's server knows If-Modified-Since.
serve_feeds() {
  local port
  port=$(free_port)
  start_service feeds "$RUN" python3 -m http.server --bind 127.0.0.1 --directory "$RUN/feeds" "$port"
  service_ready 20 feeds "$RUN" http_ok "http://127.0.0.1:$port/"
  printf '%d\n' "$port" >"$RUN/feeds.port"
}

report() {
  curl --fail --silent --noproxy '*' --max-time 10 --output "$RUN/report.json" "$REPORT_URL/api/v1/images/$DIGEST/report"
}

is_matched() {
  report && jq -e '.scan.status == "complete" and .vulnerabilities != null' "$RUN/report.json"
}

has_findings() {
  report && jq -e '.vulnerabilities | length > 0' "$RUN/report.json"
}

show() {
  printf '\n%s\n' "$1"
  jq -r '"  scan \(.scan.status), \(.packages | length) package, \(.vulnerabilities | length) vulnerabilities",
    (.coverage.feeds[] | "  feed \(.ecosystem): \(.records) records, fetched \(.fetched_at)"),
    (.vulnerabilities[] | "  \(.id)  \(.severity)  fixed in \(.fixed_version)  first seen \(.first_seen)")' "$RUN/report.json"
}

upstream_bytes() {
  curl --fail --silent --noproxy '*' "$REPORT_URL/metrics" |
    awk '/^weir_blob_bytes_total\{.*source="upstream"/ { sum += $2 } END { printf "%d\n", sum }'
}

main "$@"
