#!/usr/bin/env bash
# Checks the shell scripts: by shellcheck, and that no pipe has a reader which leaves before its writer is done.
#
# Takes:  nothing; reads the scripts that the checkout has.
# Leaves: nothing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mapfile -t SCRIPTS < <(git grep --untracked -lE '^#!/usr/bin/env bash$' -- ':/')
failed=0
shellcheck --external-sources "${SCRIPTS[@]}" || failed=1
# `grep -q` and `head` end at what they look for. The writer is killed if it writes once more, and pipefail calls that a failure: now and
# then, whatever was found. A variable or a file has no such end, nor has `sed -n 1p`.
if git grep --untracked -nE '\|[[:space:]]*(grep[^|]* (-[a-zA-Z]*[qm][a-zA-Z0-9]*|--quiet|--silent|--max-count)|head)([[:space:]]|$)' -- "${SCRIPTS[@]}" |
  grep -vE '^[^:]*:[0-9]+:[[:space:]]*#'; then
  printf 'check-scripts.sh: these pipes can fail though they found what they look for\n' >&2
  failed=1
fi
exit "$failed"
