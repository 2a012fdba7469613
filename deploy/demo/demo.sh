#!/usr/bin/env bash
# `make demo`: a real containerd pulls a real image through weir, and what weir found is printed.
#
# Takes:  WEIR_BIN (the built binary) and WEIR_IMAGE_DIR (made by deploy/image/make-image.sh); ONCE=1 ends it after the
#         result; ADVISORIES, a directory laid out as the OSV bucket (default: ../shared/advisories/osv beside the
#         checkout where present, else the public bucket).
# Does:   starts docker-registry with the image, weir on its embedded default but for addresses, upstream and data, and
#         a containerd of its own; all on loopback. Pulls, waits for the scan, prints it, stays up until Ctrl-C.
# Leaves: nothing; registry, data and containerd live in a temporary directory that goes with it.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"
# shellcheck source=deploy/lib/services.sh
source "$HERE/../lib/services.sh"

readonly REFERENCE=docker.io/library/weir-demo:1
# How long the import of all feeds and the scan may take before the demo gives up, on a slow machine.
readonly SCAN_LIMIT_SECONDS=600

main() {
  [[ -x ${WEIR_BIN:-} ]] || fail 'WEIR_BIN names no program: use "make demo"'
  [[ -f ${WEIR_IMAGE_DIR:-}/key ]] || fail 'WEIR_IMAGE_DIR holds no image: use "make demo"'
  RUN=$(mktemp -d "${TMPDIR:-/tmp}/weir-demo.XXXXXX")
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  serve_image
  serve_weir
  pull_through_weir
  wait_for_result
  python3 "$HERE/show.py" <"$RUN/report.json"
  where_next
  if [[ ${ONCE:-} == 1 ]]; then return 0; fi
  printf '\nweir stays up; Ctrl-C ends it.\n'
  stay
}

leave() {
  stop_all
  as_root rm -rf "$RUN"
}

# A real registry, in the place of docker.io.
serve_image() {
  start_registry "$RUN" "$RUN/registry.port"
  UPSTREAM_PORT=$(<"$RUN/registry.port")
  skopeo --insecure-policy copy --quiet --preserve-digests --dest-tls-verify=false \
    "oci:$WEIR_IMAGE_DIR/oci:1" "docker://127.0.0.1:$UPSTREAM_PORT/library/weir-demo:1"
  DIGEST=$(skopeo --insecure-policy inspect --no-tags --tls-verify=false --format '{{.Digest}}' \
    "docker://127.0.0.1:$UPSTREAM_PORT/library/weir-demo:1")
  say "upstream:   docker-registry on 127.0.0.1:$UPSTREAM_PORT holds $REFERENCE"
}

serve_weir() {
  export WEIR_UPSTREAM__0__NAME=docker.io
  export WEIR_UPSTREAM__0__URL=http://127.0.0.1:$UPSTREAM_PORT
  use_advisories
  start_weir "$RUN"
  say "weir:       nodes $MIRROR_URL, report $REPORT_URL"
}

use_advisories() {
  local shared=$HERE/../../../shared/advisories source=${ADVISORIES:-}
  if [[ -z $source && -d $shared/osv ]]; then source=$(cd "$shared/osv" && pwd); fi
  if [[ -n $source ]]; then
    export WEIR_ADVISORY__SOURCE=$source
    use_ratings "$(dirname "$source")"
  fi
  say "advisories: ${source:-the public OSV bucket}"
}

# Known exploited vulnerabilities, likelihoods and scores, where they lie beside the advisories.
use_ratings() {
  local kev=$1/kev/known_exploited_vulnerabilities.json epss=$1/epss/epss_scores.csv.gz cvss=$1/cvss/cve_cvss.csv.gz
  if [[ -f $kev ]]; then export WEIR_ADVISORY__KEV=$kev; fi
  if [[ -f $epss ]]; then export WEIR_ADVISORY__EPSS=$epss; fi
  if [[ -f $cvss ]]; then export WEIR_ADVISORY__CVSS=$cvss; fi
}

# --only: were weir passed over, the pull would fail instead of going to the upstream unseen.
pull_through_weir() {
  local started
  "$WEIR_BIN" hosts --mirror "$MIRROR_URL" --out "$RUN/certs.d" --only >"$RUN/hosts.log"
  start_containerd "$RUN/node"
  started=$(milliseconds)
  if ! ctr_pull "$RUN/node" "$RUN/certs.d" "$REFERENCE" >"$RUN/pull.log" 2>&1; then
    tail -n 20 "$RUN/pull.log" "$RUN/weir.log" >&2
    fail 'the pull failed'
  fi
  say "containerd: pulled and unpacked $REFERENCE in $(seconds_since "$started") s ($(transfer))"
}

# What ctr itself says of the transfer, without unpacking.
transfer() {
  tr '\r' '\n' <"$RUN/pull.log" | sed -n 's|.*elapsed: *\([0-9.]*\) *s.*(\(.*/s\)).*|transfer \1 s at \2|p' | tail -n 1
}

wait_for_result() {
  local started
  started=$(milliseconds)
  service_ready "$SCAN_LIMIT_SECONDS" weir "$RUN" result_is_there || fail 'no complete and matched result'
  # A feed that is still being imported is named as missing, and one that has nothing for the release stays so.
  wait_for 30 'all feeds' no_feed_missing 2>/dev/null || true
  say "weir:       scanned and matched $(seconds_since "$started") s after the pull"
}

result_is_there() {
  curl --fail --silent --noproxy '*' --max-time 10 --output "$RUN/report.json" \
    "$REPORT_URL/api/v1/images/$DIGEST/report" &&
    jq -e '.scan.status == "complete" and .vulnerabilities != null' "$RUN/report.json"
}

no_feed_missing() {
  result_is_there && jq -e '.coverage.missing_feeds == []' "$RUN/report.json"
}

where_next() {
  cat <<WORDS

Where next
----------
  curl -s $REPORT_URL/api/v1/images | jq
  curl -s $REPORT_URL/api/v1/images/$DIGEST/report | jq '.vulnerabilities[0]'
  curl -s $REPORT_URL/metrics | grep ^weir_
  $WEIR_BIN advisories status --data $RUN/data
  skopeo copy --src-tls-verify=false docker://${MIRROR_URL#http://}/docker.io/library/weir-demo:1 oci:weir-demo:1
  weir's log: $RUN/weir.log
On a machine with internet, weir without these settings mirrors the real docker.io: see "Run it" in README.md.
WORDS
}

# Until Ctrl-C, or until weir ends by itself, which it should not.
stay() {
  local pid
  pid=$(<"$RUN/weir.pid")
  wait "$pid" || true
  tail -n 20 "$RUN/weir.log" >&2
  fail 'weir ended by itself'
}

main "$@"
