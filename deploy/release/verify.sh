#!/usr/bin/env bash
# Verifies a release from its files alone: checksums, the program, the image as a registry and a node would get it.
#
# Takes:  DIR, as release.sh left it; as root, or as a user who may use sudo. ADVISORIES as deploy/container/prove.sh.
# Does:   compares every file with SHA256SUMS and refuses files that are not in it; unpacks and starts the program; unpacks the image,
#         attaches its documents and has deploy/container/prove.sh build it again, pull it, start it and scan it.
# Leaves: nothing.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"

main() {
  (($# == 1)) && [[ -f $1/SHA256SUMS ]] || fail 'usage: verify.sh DIR, a directory with SHA256SUMS'
  DIR=$(cd "$1" && pwd)
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/weir-verify.XXXXXX")
  trap 'rm -rf "$WORK"' EXIT
  checksums
  program
  image
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
  file=$(only "weir-*-linux-gnu.tar.gz")
  VERSION=$(basename "$file" | sed 's|^weir-\(.*\)-[^-]*-linux-gnu\.tar\.gz$|\1|')
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
  cp "$WEIR" "$WORK/weir-$VERSION/third-party.txt" "$made/"
  [[ $(jq -r '.manifests[0].digest' "$made/oci/index.json") == "$(<"$made/digest")" ]] || fail "$file has another image than its digest names"
  SOURCE_DATE_EPOCH=$(date --date="$(jq -r .metadata.timestamp "$made/sbom/weir-$VERSION.cdx.json")" +%s)
  export SOURCE_DATE_EPOCH
  "$HERE/../container/attach.py" "$made/oci" "$VERSION" "application/vnd.cyclonedx+json=$made/sbom/weir-$VERSION.cdx.json" \
    "application/spdx+json=$made/sbom/weir-$VERSION.spdx.json"
  "$HERE/../container/prove.sh" "$made"
}

main "$@"
