#!/usr/bin/env bash
# Proves the container image: built twice it is the same; a real containerd pulls it through weir; runc starts it with the rights of a
# restricted pod; it serves, stops in order, and weir knows everything in it.
#
# Takes:  OUTDIR, as make.sh left it; as root, or as a user who may use sudo.
#         ADVISORIES: a directory laid out as the OSV bucket (default: ../shared/advisories/osv beside the checkout).
# Does:   in a network of its own: starts docker-registry, weir, containerd and the image itself.
# Leaves: nothing; ends with the first thing that is not so.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly ROOT=$HERE/../..
# What nodes call the registry that the image is in.
readonly UPSTREAM=registry.example.org
readonly REPOSITORY=$UPSTREAM/weir/weir
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"
# shellcheck source=deploy/lib/services.sh
source "$HERE/../lib/services.sh"
# shellcheck source=deploy/container/version.sh
source "$HERE/version.sh"
# shellcheck source=deploy/container/run.sh
source "$HERE/run.sh"

main() {
  (($# == 1)) || fail 'usage: prove.sh OUTDIR'
  own_network "$@"
  OUTDIR=$(cd "$1" && pwd)
  [[ -f $OUTDIR/digest && -d $OUTDIR/sbom ]] || fail "$1 holds no image: deploy/container/make.sh makes it"
  DIGEST=$(<"$OUTDIR/digest")
  VERSION=$(workspace_version)
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(commit_time)}
  export SOURCE_DATE_EPOCH
  RUN=$(mktemp -d "${TMPDIR:-/tmp}/weir-image.XXXXXX")
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  build_again
  look_inside
  serve_image
  pull_through_weir
  read_documents_through_weir
  start_image
  check_rights
  check_service
  stop_image
  compare_report
}

leave() {
  stop_all
  rm -rf "$RUN"
}

# In a network of its own the ports of the image's settings are free, and nothing of the world outside can be asked.
own_network() {
  if [[ $(readlink /proc/self/ns/net) != "${WEIR_OUTER_NETWORK:-$(readlink /proc/self/ns/net)}" ]]; then
    ip link set lo up
    return
  fi
  WEIR_OUTER_NETWORK=$(readlink /proc/self/ns/net)
  export WEIR_OUTER_NETWORK
  if ((EUID == 0)); then exec unshare --net "$0" "$@"; fi
  exec sudo --preserve-env "PATH=$PATH" unshare --net "$0" "$@"
}

# The second time from the record of the first, as whoever doubts an image would.
build_again() {
  local hex=${DIGEST#sha256:}
  PACKAGES=$OUTDIR/packages.tsv "$HERE/build.sh" "$RUN/again" "$OUTDIR/weir" "$OUTDIR/third-party.txt" >"$RUN/again.log"
  [[ $(<"$RUN/again/digest") == "$DIGEST" ]] || fail "built twice: $DIGEST and $(<"$RUN/again/digest")"
  cmp "$OUTDIR/oci/blobs/sha256/$hex" "$RUN/again/oci/blobs/sha256/$hex"
  cmp "$OUTDIR/packages.tsv" "$RUN/again/packages.tsv"
  "$HERE/sbom.py" "$OUTDIR/weir" "$RUN/again/oci" "$VERSION" "$RUN/again/sbom"
  diff -r "$OUTDIR/sbom" "$RUN/again/sbom" || fail 'the same image has other bills of materials'
  say "twice:      built from the record of packages, the image is $DIGEST again, and so are its documents"
}

serve_image() {
  start_registry "$RUN" "$RUN/registry.port"
  REGISTRY=127.0.0.1:$(<"$RUN/registry.port")
  "$HERE/push.py" "$OUTDIR/oci" "$VERSION" "$REGISTRY/weir/weir" --plain-http
}

# Every file is its package's, nothing can be run but weir, nobody but root and weir exists.
look_inside() {
  umoci unpack --rootless --image "$OUTDIR/oci:$VERSION" "$RUN/bundle" 2>"$RUN/umoci.log" || fail "umoci: $(<"$RUN/umoci.log")"
  local root=$RUN/bundle/rootfs programs sums
  sums=$(cd "$root" && cat var/lib/dpkg/status.d/*.md5sums | tee >(md5sum --quiet --check - >&2) | wc -l) ||
    fail 'a file is not as its package has it'
  programs=$(cd "$root" && find . -type f -perm /111 | sort | tr '\n' ' ')
  [[ $programs =~ ^\./lib/[^\ ]*/ld-linux[^\ ]*\ (\./lib/[^\ ]*/lib[^\ ]*\.so[^\ ]*\ )*\./usr/bin/weir\ $ ]] ||
    fail "there is more to run than weir: $programs"
  [[ $(cut -d : -f 1,3 "$root/etc/passwd" | tr '\n' ' ') == 'root:0 weir:65532 ' ]] || fail 'other users than root and weir'
  say "inside:     $sums files are as their packages have them; nothing to run but weir"
}

# weir is the very program of the image; --only: were it passed over, the pull would fail.
pull_through_weir() {
  local feeds=${ADVISORIES:-$ROOT/../shared/advisories/osv} feed
  mkdir "$RUN/feeds"
  for feed in Debian crates.io; do
    [[ -d $feeds/$feed ]] || fail "no advisories in $feeds/$feed: set ADVISORIES"
    cp -rL "$feeds/$feed" "$RUN/feeds/"
  done
  chmod -R u+w,go+rX "$RUN/feeds"
  export WEIR_BIN=$OUTDIR/weir WEIR_ADVISORY__SOURCE=$RUN/feeds
  export WEIR_UPSTREAM__0__NAME=$UPSTREAM WEIR_UPSTREAM__0__URL=http://$REGISTRY
  start_weir "$RUN"
  "$WEIR_BIN" hosts --mirror "$MIRROR_URL" --out "$RUN/certs.d" --only >"$RUN/hosts.log"
  start_containerd "$RUN/node"
  ctr_pull "$RUN/node" "$RUN/certs.d" "$REPOSITORY:$VERSION" >"$RUN/pull.log" 2>&1 ||
    fail "the pull failed: $(tail -n 20 "$RUN/pull.log" "$RUN/weir.log")"
  [[ $(ctr_node images list "name==$REPOSITORY:$VERSION") == *"$DIGEST"* ]] || fail "containerd has another image than $DIGEST"
  curl --fail --silent --noproxy '*' --output "$RUN/metrics" "$REPORT_URL/metrics" || fail "weir's metrics cannot be read"
  grep -q '^weir_blob_requests_total{.*result="fetched".*} [1-9]' "$RUN/metrics" ||
    fail "no blob came over weir: $(grep '^weir_blob_requests_total' "$RUN/metrics")"
  say "pull:       containerd has $REPOSITORY:$VERSION from weir"
}

# What is attached, as docs/release.md finds it: by the tag of the digest, since Debian's docker-registry has no referrers API.
read_documents_through_weir() {
  local mirror=${MIRROR_URL#http://} pair type document entry status
  status=$(curl --silent --noproxy '*' --output /dev/null --write-out '%{http_code}' "$MIRROR_URL/v2/$REPOSITORY/referrers/$DIGEST")
  [[ $status == 404 ]] || fail "weir answers $status for referrers that its upstream does not know"
  for pair in application/vnd.cyclonedx+json=cdx application/spdx+json=spdx; do
    type=${pair%=*} document=$OUTDIR/sbom/weir-$VERSION.${pair#*=}.json
    entry=$(skopeo inspect --raw --tls-verify=false "docker://$mirror/$REPOSITORY:${DIGEST/:/-}" |
      jq -er --arg type "$type" '.manifests[] | select(.artifactType == $type) | .digest') || fail "nothing of the type $type is attached"
    skopeo --insecure-policy copy --quiet --src-tls-verify=false "docker://$mirror/$REPOSITORY@$entry" "dir:$RUN/bom.${pair#*=}"
    [[ $(jq -r .subject.digest "$RUN/bom.${pair#*=}/manifest.json") == "$DIGEST" ]] || fail "what is attached as $type is of another image"
    cmp "$RUN/bom.${pair#*=}/$(jq -r '.layers[0].digest' "$RUN/bom.${pair#*=}/manifest.json" | cut -d : -f 2)" "$document" ||
      fail "what is attached as $type is not $document"
  done
  say 'attached:   both documents are found by the tag of the digest, over weir, and are the same'
}

compare_report() {
  service_ready 120 weir "$RUN" is_scanned || fail "no complete result: $(jq -c '.scan' "$RUN/report.json")"
  local crates
  jq -r '.packages[] | select(.type == "deb") | [.name, .version] | @tsv' "$RUN/report.json" | LC_ALL=C sort >"$RUN/debian.found"
  cut -f 1,2 "$OUTDIR/packages.tsv" | LC_ALL=C sort | diff - "$RUN/debian.found" || fail 'weir finds other Debian packages'
  jq -r '.packages[] | select(.type == "cargo") | "\(.name) \(.version)"' "$RUN/report.json" | LC_ALL=C sort -u >"$RUN/crates.found"
  crates_listed "$RUN/bundle/rootfs/usr/bin/weir" | diff - "$RUN/crates.found" >"$RUN/crates.diff" ||
    fail "weir finds other crates than the program lists: $(head -n 20 "$RUN/crates.diff")"
  # Cargo's own list of what is compiled for the program; the program's may have more, since features of tests count there too.
  (cd "$ROOT" && cargo tree --offline --locked --package weir-proxy --edges normal,no-proc-macro --prefix none --format '{p}') |
    awk 'NF { sub(/^v/, "", $2); print $1, $2 }' | LC_ALL=C sort -u | LC_ALL=C comm -23 - "$RUN/crates.found" >"$RUN/crates.missing"
  [[ ! -s $RUN/crates.missing ]] || fail "the program does not list: $(<"$RUN/crates.missing")"
  crates=$(wc -l <"$RUN/crates.found")
  ((crates > 100)) || fail "only $crates crates"
  say "report:     complete; $(wc -l <"$RUN/debian.found") Debian packages and $crates crates, all there are"
  jq -r '"advisories: " + ([.coverage.feeds[] | "\(.ecosystem) with \(.records) records"] | join(", ")),
    "found:      " + ([.vulnerabilities[] | {id, severity}] | unique | group_by(.severity) | map("\(length) \(.[0].severity)")
      | if . == [] then "no vulnerabilities" else join(", ") end),
    (.vulnerabilities[] | "            \(.severity) \(.id) \(.package)")' "$RUN/report.json"
}

# The crates that a program says it is made of, without those that only its build ran; read here by other means than weir's.
crates_listed() {
  objcopy --dump-section ".dep-v0=$RUN/crates.z" "$1" "$RUN/weir.copy"
  python3 -c 'import json, sys, zlib
for crate in json.loads(zlib.decompress(sys.stdin.buffer.read()))["packages"]:
    if crate.get("kind", "runtime") == "runtime":
        print(crate["name"], crate["version"])' <"$RUN/crates.z" | LC_ALL=C sort -u
}

is_scanned() {
  curl --fail --silent --noproxy '*' --max-time 10 --output "$RUN/report.json" "$REPORT_URL/api/v1/images/$DIGEST/report" &&
    jq -e '.scan.status == "complete" and .vulnerabilities != null and .coverage.missing_feeds == []' "$RUN/report.json"
}

main "$@"
