#!/usr/bin/env bash
# Makes a whole release of the checkout's commit, as it would be made, and proves that what must not be released is refused.
#
# Takes:  PROGRAMS: the directory where deploy/container/binary.sh left those of this checkout; without it they are linked. ADVISORIES as
#         deploy/container/prove.sh; as root, or as a user who may use sudo.
# Does:   clones the checkout, dates the changelog there and commits that; asks for releases that are refused; makes the release and
#         verifies it, makes it again and compares; spoils a file of it.
# Leaves: nothing.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
ROOT=$(cd "$HERE/../.." && pwd)
readonly ROOT
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"
# shellcheck source=deploy/container/version.sh
source "$HERE/../container/version.sh"

main() {
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/weir-reltest.XXXXXX")
  trap 'as_root rm -rf "$WORK"' EXIT
  VERSION=$(workspace_version)
  ADVISORIES=${ADVISORIES:-$(realpath "$ROOT/../shared/advisories/osv")}
  export ADVISORIES WEIR_SOURCE=https://weir.example.org/source
  clone
  what_must_not_be_released
  say "refused:    seven releases that must not be made, each by name"
  release
  made_again
  spoiled
}

# What is committed here, with what is not committed yet: the files of today are tested.
clone() {
  CLONE=$WORK/clone
  git clone --quiet "$ROOT" "$CLONE"
  (cd "$ROOT" && git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do
    if [[ -e $file ]]; then printf '%s\0' "$file"; fi
  done | tar --create --null --files-from=-) | tar --extract --directory="$CLONE"
  commit 'as it is here'
}

commit() {
  git -C "$CLONE" add --all
  git -C "$CLONE" -c user.name=weir -c user.email=weir@example.org commit --quiet --allow-empty --message "$1"
}

release_check() {
  "$CLONE/deploy/release/release.sh" --check "$@"
}

# refused WORDS ARGUMENT...: the check fails and says so in these words.
refused() {
  local words=$1
  shift
  if release_check "$@" >"$WORK/check.log" 2>&1; then fail "would be released: $words"; fi
  grep -qF -e "$words" "$WORK/check.log" || fail "does not say \"$words\": $(<"$WORK/check.log")"
}

what_must_not_be_released() {
  local changelog=$CLONE/CHANGELOG.md
  sed -i "s/^## $VERSION,.*/## $VERSION, unreleased/" "$changelog"
  commit 'no date'
  refused "\"## $VERSION, unreleased\" has no date" "$VERSION"
  sed -i "s/^## $VERSION,.*/## $VERSION, 2026-01-31/" "$changelog"
  refused 'the checkout differs from its commit:  M CHANGELOG.md' "$VERSION"
  commit 'a date'
  release_check >/dev/null || fail 'what can be released is refused'
  refused "workspace.package.version is $VERSION, not 9.9.9" 9.9.9
  refused 'CHANGELOG.md: no section "## 9.9.9, DATE"' 9.9.9
  refused 'Cargo.lock: weir-proxy has another version' 9.9.9
  refused '1.0 is no version' 1.0
  git -C "$CLONE" tag "v$VERSION" HEAD~1
  refused "the tag v$VERSION is on another commit" "$VERSION"
  git -C "$CLONE" tag --delete "v$VERSION" >/dev/null
}

release() {
  "$CLONE/deploy/release/release.sh" "$VERSION" "$WORK/release" | tee "$WORK/release.log"
  grep -q '^verified: ' "$WORK/release.log" || fail 'the release was not verified'
  jq -e --arg source "$WEIR_SOURCE" '.config.Labels["org.opencontainers.image.source"] == $source' "$(image_config)" >/dev/null ||
    fail 'the image does not name its source'
  [[ $(jq -r '.config.Labels["org.opencontainers.image.revision"]' "$(image_config)") == "$(git -C "$CLONE" rev-parse HEAD)" ]] ||
    fail 'the image does not name its commit'
}

image_config() {
  local layout=$WORK/layout manifest
  if [[ ! -d $layout ]]; then
    mkdir "$layout"
    tar --extract --file="$(compgen -G "$WORK/release/weir-$VERSION-image-*.tar")" --directory="$layout"
  fi
  manifest=$(jq -r '.manifests[0].digest' "$layout/index.json")
  printf '%s/blobs/sha256/%s\n' "$layout" "$(jq -r .config.digest "$layout/blobs/sha256/${manifest#sha256:}" | cut -d : -f 2)"
}

made_again() {
  PACKAGES=$WORK/release/weir-$VERSION-packages.tsv "$CLONE/deploy/release/release.sh" --make-only "$VERSION" "$WORK/again" >"$WORK/again.log"
  diff "$WORK/release/SHA256SUMS" "$WORK/again/SHA256SUMS" || fail 'made again, the release has other files'
  say "again:      the same $(wc -l <"$WORK/release/SHA256SUMS") files, byte for byte"
}

spoiled() {
  printf 'x' >>"$WORK/again/weir-$VERSION.cdx.json"
  if "$CLONE/deploy/release/verify.sh" "$WORK/again" >"$WORK/spoiled.log" 2>&1; then fail 'a spoiled release is verified'; fi
  grep -q "weir-$VERSION.cdx.json: FAILED" "$WORK/spoiled.log" || fail "the spoiled file is not named: $(<"$WORK/spoiled.log")"
  mkdir "$WORK/more"
  cp "$WORK/release"/* "$WORK/more/"
  touch "$WORK/more/extra"
  if "$CLONE/deploy/release/verify.sh" "$WORK/more" >"$WORK/spoiled.log" 2>&1; then fail 'a file that nobody vouches for is verified'; fi
  grep -q 'not in SHA256SUMS: extra' "$WORK/spoiled.log" || fail "the file is not named: $(<"$WORK/spoiled.log")"
  say 'spoiled:    a changed file and one too many are found'
}

main "$@"
