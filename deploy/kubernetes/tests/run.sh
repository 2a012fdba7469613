#!/usr/bin/env bash
# Tests the chart and the plain manifests with the tools that will consume them: the real Helm, kubectl's kustomize, the API's schemas,
# a security lint, and weir itself.
#
# Takes:  WEIR_BIN, the program whose commands the manifests call. Arguments go to unittest, as in `run.sh -k network`.
#         WEIR_UPDATE_DOCS=1 writes base/, the overlays and the table in docs/install.md anew instead.
# Does:   installs the pinned tools once a machine (tools.sh).
# Leaves: nothing but their cache.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
MANIFEST_TOOLS=$(./tools.sh)
export MANIFEST_TOOLS PYTHONPATH=$MANIFEST_TOOLS PYTHONDONTWRITEBYTECODE=1
if [[ -n ${WEIR_UPDATE_DOCS:-} ]]; then exec python3 written.py; fi
if [[ ! -x ${WEIR_BIN:-} ]]; then
  printf 'run.sh: WEIR_BIN names no program: use "make manifests"\n' >&2
  exit 1
fi
python3 -m unittest discover --start-directory . "$@"
