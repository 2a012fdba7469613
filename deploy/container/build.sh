#!/usr/bin/env bash
# Builds weir's container image: from nothing, with the program, the files of Debian's packages that it needs, and no shell.
#
# Takes:  OUTDIR, BINARY (made by binary.sh) and NOTICES (made by notices.py); as root, or as a user who may use sudo.
#         PACKAGES=FILE: package and version a line, to build with those again; without it the newest that apt gives.
#         SOURCE_DATE_EPOCH: the instant everything in the image carries; default: that of the commit.
#         WEIR_SOURCE: the URL of the source for the image's label; default: the https remote of the checkout, else none.
# Does:   downloads the packages, makes the file system (rootfs.py) and hands it to buildah.
# Leaves: OUTDIR/oci           OCI layout; its one tag is weir's version
#         OUTDIR/packages.tsv  package, version, architecture of what is in it
#         OUTDIR/digest        of the image's manifest: the same for the same inputs
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly ROOT=$HERE/../..
# Downloaded once: names hold versions.
readonly DEBS=${XDG_CACHE_HOME:-$HOME/.cache}/weir/container-debs
readonly PACKAGE_NAMES=(base-files ca-certificates gcc-12-base libc6 libgcc-s1 libstdc++6)
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"
# shellcheck source=deploy/container/version.sh
source "$HERE/version.sh"

main() {
  (($# == 3)) || fail 'usage: build.sh OUTDIR BINARY NOTICES'
  local binary notices
  mkdir -p "$1"
  OUTDIR=$(cd "$1" && pwd)
  binary=$(realpath "$2") notices=$(realpath "$3")
  [[ -x $binary ]] || fail "$2 is no program: make it with deploy/container/binary.sh"
  VERSION=$(workspace_version)
  [[ $("$binary" --version) == "weir $VERSION" ]] || fail "$2 is $("$binary" --version), and Cargo.toml says $VERSION"
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(commit_time)}
  export SOURCE_DATE_EPOCH
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/weir-container.XXXXXX")
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  rm -rf "$OUTDIR/oci" "$OUTDIR/digest" "$OUTDIR/packages.tsv"
  fetch_packages
  python3 -B "$HERE/rootfs.py" "$binary" "$HERE/weir.toml" "$ROOT/LICENSE" "$notices" "$WORK/debs" "$WORK/rootfs.tar" \
    "$OUTDIR/packages.tsv"
  commit_image
  jq -r '.manifests[0].digest' "$OUTDIR/oci/index.json" >"$OUTDIR/digest"
  say "container: weir $VERSION, $(<"$OUTDIR/digest"), $(image_size) MB compressed, in $OUTDIR/oci"
}

leave() {
  as_root rm -rf "$WORK"
}

# Into WORK/debs: one file of each package.
fetch_packages() {
  local name version
  mkdir -p "$DEBS" "$WORK/debs"
  if [[ -z ${PACKAGES:-} ]]; then apt_update; fi
  for name in "${PACKAGE_NAMES[@]}"; do
    if [[ -n ${PACKAGES:-} ]]; then
      version=$(awk -v name="$name" '$1 == name { print $2 }' "$PACKAGES")
      # A record names what was taken alone; what was not is read all the same, in whatever version.
      [[ -n $version ]] || version=$(newest "$name")
    else
      version=$(newest "$name")
    fi
    [[ -n $version ]] || fail "apt knows no package $name"
    fetch "$name" "$version"
  done
}

# Lists of the machine's own sources, asked anew: an image made today has today's fixes.
apt_update() {
  as_root apt-get -qq -o DPkg::Lock::Timeout=300 update
}

newest() {
  apt-cache show --no-all-versions "$1" | sed -n 's/^Version: //p' | sed -n 1p
}

# Files are named as apt names them, with an epoch's colon as %3a.
fetch() {
  local name=$1 version=$2 file
  file=$(compgen -G "$DEBS/${name}_${version//:/%3a}_*.deb" | sed -n 1p || true)
  if [[ -z $file ]]; then
    (cd "$DEBS" && apt-get -qq -o APT::Sandbox::User=root download "$name=$version" >/dev/null) ||
      fail "apt does not have $name $version (any longer)"
    file=$(compgen -G "$DEBS/${name}_${version//:/%3a}_*.deb" | sed -n 1p)
  fi
  ln "$file" "$WORK/debs/" 2>/dev/null || cp "$file" "$WORK/debs/"
}

# buildah with a storage of its own, which goes with WORK: nothing of the machine's own images is read or touched.
buildah() {
  as_root env STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot buildah --root "$WORK/storage" --runroot "$WORK/run" "$@"
}

commit_image() {
  local container label labels=()
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$WORK/rootfs.tar" / >/dev/null
  while IFS= read -r label; do labels+=(--label "$label"); done < <(labels)
  buildah config --created-by "deploy/container/build.sh" --user 65532:65532 --workingdir / \
    --env PATH=/usr/bin --entrypoint '["weir"]' --cmd 'serve --config /etc/weir/weir.toml' \
    --port 5000/tcp --port 8080/tcp --volume /var/lib/weir --stop-signal SIGTERM "${labels[@]}" "$container"
  buildah commit --quiet --format oci --disable-compression=false --timestamp "$SOURCE_DATE_EPOCH" "$container" "oci:$OUTDIR/oci:$VERSION"
  as_root chown -R "$(id -u):$(id -g)" "$OUTDIR/oci"
}

labels() {
  local source=${WEIR_SOURCE:-$(https_remote)}
  cat <<LABELS
org.opencontainers.image.title=weir
org.opencontainers.image.description=A registry mirror for Kubernetes nodes that scans what it streams
org.opencontainers.image.version=$VERSION
org.opencontainers.image.revision=$(revision)
org.opencontainers.image.created=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
org.opencontainers.image.licenses=$(workspace_value license)
LABELS
  if [[ -n $source ]]; then printf 'org.opencontainers.image.source=%s\n' "$source"; fi
}

image_size() {
  jq -s '[.[].layers[].size] | add / 1e6 | floor' "$OUTDIR/oci/blobs/sha256/$(cut -d : -f 2 "$OUTDIR/digest")"
}

main "$@"
