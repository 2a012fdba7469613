#!/usr/bin/env bash
# Runs a command as a named phase, so that a long log shows where it is and where its time went.
#
# Takes:  NAME COMMAND...
# Does:   prints a line before and, with the seconds it took, after; exits as the command does.
# Leaves: nothing.
set -euo pipefail

name=$1
shift
printf '\n== %s\n' "$name"
status=0
"$@" || status=$?
if ((status == 0)); then outcome="done"; else outcome="FAILED ($status)"; fi
printf '== %s: %s, %d s\n' "$name" "$outcome" "$SECONDS"
exit "$status"
