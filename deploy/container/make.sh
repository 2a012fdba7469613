#!/usr/bin/env bash
# Makes the container image whole: the program, the image, its bills of materials, attached.
#
# Takes:  OUTDIR; what binary.sh and build.sh take. PROGRAMS: a directory with what binary.sh leaves, to take it
#         instead of linking.
# Does:   binary.sh, notices.py, build.sh, sbom.py, attach.py, in that order; holds the documents against their official schemas.
# Leaves: OUTDIR/weir, OUTDIR/weir-static, OUTDIR/third-party.txt, OUTDIR/oci, OUTDIR/packages.tsv, OUTDIR/digest, OUTDIR/sbom
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly ROOT=$HERE/../..
# shellcheck source=deploy/lib/common.sh
source "$HERE/../lib/common.sh"
# shellcheck source=deploy/container/version.sh
source "$HERE/version.sh"

main() {
  (($# == 1)) || fail 'usage: make.sh OUTDIR'
  local outdir version cyclonedx spdx
  mkdir -p "$1"
  outdir=$(cd "$1" && pwd)
  version=$(workspace_version)
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(commit_time)}
  export SOURCE_DATE_EPOCH

  if [[ -n ${PROGRAMS:-} ]]; then cp "$PROGRAMS/weir" "$PROGRAMS/weir-static" "$outdir/"; else "$HERE/binary.sh" "$outdir"; fi
  "$HERE/notices.py" "$ROOT" "$outdir/third-party.txt"
  "$HERE/build.sh" "$outdir" "$outdir/weir" "$outdir/third-party.txt"
  rm -rf "$outdir/sbom"
  "$HERE/sbom.py" "$outdir/weir" "$outdir/oci" "$version" "$outdir/sbom"
  cyclonedx=$outdir/sbom/weir-$version.cdx.json spdx=$outdir/sbom/weir-$version.spdx.json
  python3 "$HERE/../validate.py" cyclonedx "$cyclonedx" spdx "$spdx" || fail 'a bill of materials is not what its form asks for'
  "$HERE/attach.py" "$outdir/oci" "$version" "application/vnd.cyclonedx+json=$cyclonedx" "application/spdx+json=$spdx"
  say "documents: CycloneDX and SPDX by weir, valid after their schemas, attached"
}

main "$@"
