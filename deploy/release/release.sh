#!/usr/bin/env bash
# Makes a whole release in one directory, and verifies what it made. Pushes nothing: prints the commands that would.
#
# Takes:  --check [VERSION]      says everything that keeps the checkout from being released as VERSION (default: Cargo.toml's)
#         VERSION OUTDIR         makes the release; OUTDIR has to be empty or absent
#         --make-only VERSION OUTDIR   the same without verifying
#         Run by `make release VERSION=… RELEASE_DIR=…`, which exports what compiling needs; as root, or as a user who may use sudo.
#         PACKAGES=FILE: a release's record of Debian packages, to make the same image again. WEIR_SOURCE: see deploy/container/build.sh.
#         PROGRAMS: a directory where deploy/container/binary.sh left those of the same commit, instead of linking them.
# Does:   checks; deploy/container/make.sh; packs the program, the image and the chart; deploy/release/verify.sh.
# Leaves: OUTDIR, the same bytes for the same commit, toolchain, path of the checkout and Debian packages.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
ROOT=$(cd "$HERE/../.." && pwd)
readonly ROOT
readonly CHART=$ROOT/deploy/kubernetes/chart
# What a release should run on. Each is made on a machine of its own kind; see docs/release.md.
readonly PLATFORMS=(x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu)
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"
# shellcheck source=deploy/container/version.sh
source "$HERE/../container/version.sh"
# shellcheck source=deploy/release/check.sh
source "$HERE/check.sh"

main() {
  local verify=1
  if [[ ${1:-} == --check ]]; then
    check "${2:-$(workspace_version)}"
    return
  fi
  if [[ ${1:-} == --make-only ]]; then
    verify=0
    shift
  fi
  (($# == 2)) || fail 'usage: release.sh [--make-only] VERSION OUTDIR, or release.sh --check [VERSION]'
  VERSION=$1
  check "$VERSION"
  if [[ -e $2 && -n $(ls -A "$2") ]]; then fail "$2 is not empty"; fi
  mkdir -p "$2"
  OUTDIR=$(cd "$2" && pwd)
  SOURCE_DATE_EPOCH=$(commit_time)
  export SOURCE_DATE_EPOCH
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/weir-release.XXXXXX")
  trap 'rm -rf "$WORK"' EXIT

  "$HERE/../container/make.sh" "$WORK/made"
  pack_program
  pack_image
  pack_chart
  release_notes "$VERSION" >"$OUTDIR/weir-$VERSION-notes.md"
  (cd "$OUTDIR" && sha256sum -- * >"$WORK/SHA256SUMS" && mv "$WORK/SHA256SUMS" .)
  say_platforms
  if ((verify)); then "$HERE/verify.sh" "$OUTDIR"; fi
  say_next
}

# archive FILE DIR NAME...: the same bytes for the same files.
archive() {
  local file=$1 dir=$2
  shift 2
  tar --create --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --mode='u+rw,go+rX,go-w,a-s' --directory="$dir" "$@" >"$file"
}

host() {
  rustc --version --verbose | sed -n 's/^host: //p'
}

# The names that container images give architectures.
oci_architecture() {
  jq -r .architecture "$1/blobs/sha256/$(image_manifest "$1" | jq -r '.config.digest' | cut -d : -f 2)"
}

image_manifest() {
  cat "$1/blobs/sha256/$(cut -d : -f 2 "$WORK/made/digest")"
}

# The static one: a machine of whoever downloads it is not known.
pack_program() {
  local name=weir-$VERSION
  mkdir "$WORK/$name"
  cp "$WORK/made/third-party.txt" "$ROOT/LICENSE" "$ROOT/README.md" "$ROOT/CHANGELOG.md" "$WORK/$name/"
  cp "$WORK/made/weir-static" "$WORK/$name/weir"
  archive "$WORK/program.tar" "$WORK" "$name"
  gzip --no-name -9 <"$WORK/program.tar" >"$OUTDIR/weir-$VERSION-$(host | sed 's/-unknown-linux-gnu/-linux/').tar.gz"
}

# The image alone, as containerd, docker and skopeo import it; what is attached to it lies beside.
pack_image() {
  local layout=$WORK/layout
  skopeo --insecure-policy copy --quiet --preserve-digests "oci:$WORK/made/oci:$VERSION" "oci:$layout:$VERSION"
  archive "$OUTDIR/weir-$VERSION-image-$(oci_architecture "$layout").tar" "$layout" blobs index.json oci-layout
  cp "$WORK/made/sbom"/* "$OUTDIR/"
  cp "$WORK/made/packages.tsv" "$OUTDIR/weir-$VERSION-packages.tsv"
  cp "$WORK/made/digest" "$OUTDIR/weir-$VERSION-image.digest"
}

# By the real helm; packed again, since helm writes the time of day into its archive.
pack_chart() {
  if [[ ! -d $CHART ]]; then
    say 'not made: the chart: deploy/kubernetes/chart is not there'
    return
  fi
  local helm
  helm=$("$ROOT/deploy/kubernetes/tests/tools.sh")/bin/helm
  "$helm" lint --quiet "$CHART" || fail 'helm finds fault with the chart'
  "$helm" package "$CHART" --version "$VERSION" --app-version "$VERSION" --destination "$WORK" >/dev/null
  mkdir "$WORK/chart"
  tar --extract --touch --gzip --file="$WORK/weir-$VERSION.tgz" --directory="$WORK/chart"
  archive "$WORK/chart.tar" "$WORK/chart" weir
  gzip --no-name -9 <"$WORK/chart.tar" >"$OUTDIR/weir-$VERSION-chart.tgz"
}

# What is not made is said by name, and why.
say_platforms() {
  local platform libraries
  for platform in "${PLATFORMS[@]}"; do
    if [[ $platform == "$(host)" ]]; then continue; fi
    libraries=$(rustc --print target-libdir --target "$platform")
    if [[ -d $libraries ]]; then
      say "not made: $platform: RocksDB would have to be compiled for it; run this on such a machine"
    else
      say "not made: $platform: this toolchain has no standard library for it; run this on such a machine"
    fi
  done
}

say_next() {
  local layout=OUT/layout
  cat <<NEXT

Made in $OUTDIR:
$(cd "$OUTDIR" && sed 's/^/  /' SHA256SUMS)

Nothing was pushed. To publish it, with REGISTRY/REPOSITORY in its place and after \`skopeo login\`:
  git tag --sign v$VERSION $(git -C "$ROOT" rev-parse --short HEAD) && git push origin v$VERSION
  mkdir -p $layout && tar -xf $OUTDIR/weir-$VERSION-image-*.tar -C $layout
  SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH deploy/container/attach.py $layout $VERSION \\
    application/vnd.cyclonedx+json=$OUTDIR/weir-$VERSION.cdx.json application/spdx+json=$OUTDIR/weir-$VERSION.spdx.json
  deploy/container/push.py $layout $VERSION REGISTRY/REPOSITORY
NEXT
  if [[ -f $OUTDIR/weir-$VERSION-chart.tgz ]]; then say "  helm push $OUTDIR/weir-$VERSION-chart.tgz oci://REGISTRY/charts"; fi
}

main "$@"
