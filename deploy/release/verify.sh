#!/usr/bin/env bash
# Verifies a release from its files alone: checksums, the program, the image as a registry and a node would get it.
#
# Takes:  DIR, as release.sh left it; as root, or as a user who may use sudo. ADVISORIES as deploy/container/prove.sh.
# Does:   compares every file with SHA256SUMS and refuses files that are not in it; unpacks the program and starts it where there is nothing
#         else; unpacks the image, attaches its documents and has deploy/container/prove.sh build it again, pull it, start it and scan it.
# Leaves: nothing.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"

main() {
  if (($# != 1)) || [[ ! -f $1/SHA256SUMS ]]; then fail 'usage: verify.sh DIR, a directory with SHA256SUMS'; fi
  DIR=$(cd "$1" && pwd)
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/weir-verify.XXXXXX")
  trap 'as_root rm -rf "$WORK"' EXIT
  checksums
  program
  image
  nowhere
  say "verified: $DIR"
}

checksums() {
  (cd "$DIR" && sha256sum --check --quiet --strict SHA256SUMS) || fail 'a file is not what it was when it was made'
  local unknown
  unknown=$(cd "$DIR" && comm -23 <(find . -type f ! -name SHA256SUMS -printf '%P\n' | sort) <(cut -c 67- SHA256SUMS | sort))
  [[ -z $unknown ]] || fail "not in SHA256SUMS: $unknown"
  say "checksums: $(wc -l <"$DIR/SHA256SUMS") files are as they were made"
}

program() {
  local file
  file=$(only "weir-*-linux.tar.gz")
  VERSION=$(basename "$file" | sed 's|^weir-\(.*\)-[^-]*-linux\.tar\.gz$|\1|')
  tar --extract --gzip --file="$file" --directory="$WORK"
  WEIR=$WORK/weir-$VERSION/weir
  [[ $("$WEIR" --version) == "weir $VERSION" ]] || fail "$file has $("$WEIR" --version)"
  for name in LICENSE README.md CHANGELOG.md third-party.txt; do
    [[ -s $WORK/weir-$VERSION/$name ]] || fail "$file has no $name"
  done
  say "program: $("$WEIR" --version), $(stat --format %s "$WEIR") bytes"
}

# only PATTERN: the one file of that name.
only() {
  local found
  mapfile -t found < <(compgen -G "$DIR/$1")
  ((${#found[@]} == 1)) || fail "$DIR has ${#found[@]} files $1"
  printf '%s\n' "${found[0]}"
}

# The files as make.sh leaves them, made of the release's.
image() {
  local made=$WORK/made file
  file=$(only "weir-$VERSION-image-*.tar")
  mkdir -p "$made/oci" "$made/sbom"
  tar --extract --file="$file" --directory="$made/oci"
  cp "$DIR/weir-$VERSION.cdx.json" "$DIR/weir-$VERSION.spdx.json" "$made/sbom/"
  cp "$DIR/weir-$VERSION-packages.tsv" "$made/packages.tsv"
  cp "$DIR/weir-$VERSION-image.digest" "$made/digest"
  umoci unpack --rootless --image "$made/oci:$VERSION" "$WORK/bundle" 2>"$WORK/umoci.log" || fail "umoci: $(<"$WORK/umoci.log")"
  cp "$WORK/bundle/rootfs/usr/bin/weir" "$WORK/weir-$VERSION/third-party.txt" "$made/"
  [[ $(jq -r '.manifests[0].digest' "$made/oci/index.json") == "$(<"$made/digest")" ]] || fail "$file has another image than its digest names"
  SOURCE_DATE_EPOCH=$(date --date="$(jq -r .metadata.timestamp "$made/sbom/weir-$VERSION.cdx.json")" +%s)
  export SOURCE_DATE_EPOCH
  "$HERE/../container/attach.py" "$made/oci" "$VERSION" "application/vnd.cyclonedx+json=$made/sbom/weir-$VERSION.cdx.json" \
    "application/spdx+json=$made/sbom/weir-$VERSION.spdx.json"
  "$HERE/../container/prove.sh" "$made"
}

# The program on a machine that has no library, no certificate and a module for names that nobody has; it scans the release's image.
nowhere() {
  local root=$WORK/nowhere status
  mkdir -p "$root/etc" "$root/tmp" "$root/none"
  cp "$WEIR" "$root/weir"
  cp -r "$WORK/made/oci" "$root/image"
  printf '127.0.0.1 registry.example.org\n' >"$root/etc/hosts"
  printf 'hosts: of_another_machine\n' >"$root/etc/nsswitch.conf"
  # Nothing listens there: how far it came is in the words.
  as_root chroot "$root" /weir scan registry.example.org:1/weir:1 >"$WORK/nowhere.log" 2>&1 && fail 'it scanned what is not there'
  grep -q 'Connection refused' "$WORK/nowhere.log" || fail "it does not find a name that is in the file of hosts: $(<"$WORK/nowhere.log")"
  status=$(as_root chroot "$root" /weir scan "oci:/image:$VERSION" --format json --advisories /none | jq -r .scan.status)
  [[ $status == complete ]] || fail "its scan of an image is \"$status\""
  say 'anywhere: the program needs no file of the machine to find a name and to scan an image'
}

main "$@"
