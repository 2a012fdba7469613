#!/usr/bin/env bash
# Starts the image that containerd pulled as a restricted pod would be, by its runc, and looks at it. Sourced by prove.sh.
#
# Takes:  root; RUN, REPOSITORY, VERSION, UPSTREAM, REGISTRY, DIGEST and a containerd in RUN/node.
# Leaves: nothing: the container goes with stop_image, or with containerd's other processes at stop_all.

# What containerd gives a container unless told otherwise; a restricted pod has none of it.
readonly CAPABILITIES=(CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE)

ctr_node() {
  ctr --address "$RUN/node/containerd.sock" "$@"
}

# User, command and settings are the image's, but for the upstream and the advisories. Its network is the one we are in.
start_image() {
  local capability dropped=()
  for capability in "${CAPABILITIES[@]}"; do dropped+=(--cap-drop "CAP_$capability"); done
  INSIDE_MIRROR=127.0.0.1:5000
  INSIDE_REPORT=http://127.0.0.1:8080
  mkdir "$RUN/volume"
  chown 65532:65532 "$RUN/volume"
  start_service image "$RUN" ctr --address "$RUN/node/containerd.sock" run --rm --snapshotter "$SNAPSHOTTER" --net-host --read-only --seccomp \
    "${dropped[@]}" --mount "type=bind,src=$RUN/volume,dst=/var/lib/weir,options=rbind:rw" \
    --mount "type=bind,src=$RUN/feeds,dst=/feeds,options=rbind:ro" --env WEIR_ADVISORY__SOURCE=/feeds \
    --env "WEIR_UPSTREAM__0__NAME=$UPSTREAM" --env "WEIR_UPSTREAM__0__URL=http://$REGISTRY" \
    "$REPOSITORY:$VERSION" weir-image
  service_ready 30 image "$RUN" http_ok "$INSIDE_REPORT/readyz" || fail 'the image does not start'
  say "start:      runc started it, and /readyz answers"
}

# What the kernel says of the process.
check_rights() {
  local pid
  pid=$(ctr_node tasks list | awk '$1 == "weir-image" { print $2 }')
  [[ -n $pid ]] || fail 'containerd knows no such task'
  cat "/proc/$pid/status" >"$RUN/status"
  expect_status Uid '65532 65532 65532 65532'
  expect_status Gid '65532 65532 65532 65532'
  expect_status NoNewPrivs 1
  expect_status Seccomp 2
  local set
  for set in CapInh CapPrm CapEff CapBnd CapAmb; do expect_status "$set" 0000000000000000; done
  [[ $(awk '$5 == "/" { print $6 }' "/proc/$pid/mountinfo") == ro* ]] || fail 'its root can be written to'
  [[ $(readlink "/proc/$pid/exe") == /usr/bin/weir ]] || fail "it runs $(readlink "/proc/$pid/exe")"
  say 'rights:     user 65532, no capabilities, no new privileges, seccomp filter, root read-only'
}

expect_status() {
  local found
  found=$(awk -v name="$1:" '$1 == name { $1 = ""; print substr($0, 2) }' "$RUN/status")
  [[ $found == "$2" ]] || fail "its $1 is \"$found\", not \"$2\""
}

# It serves a pull of itself; its report asks who is there, and believes a token that was made inside.
check_service() {
  local token
  skopeo --insecure-policy copy --quiet --preserve-digests --src-tls-verify=false \
    "docker://$INSIDE_MIRROR/$REPOSITORY:$VERSION" "oci:$RUN/pulled:$VERSION" || fail 'it serves no pull'
  [[ $(jq -r '.manifests[0].digest' "$RUN/pulled/index.json") == "$DIGEST" ]] || fail 'it serves another image'
  [[ $(report_status) == 401 ]] || fail "its report answers $(report_status) to anybody"
  token=$(ctr_node tasks exec --exec-id token weir-image weir token create --role viewer 2>"$RUN/token.log") ||
    fail "no command runs inside: $(<"$RUN/token.log")"
  [[ $(report_status --header "Authorization: Bearer $token") == 200 ]] || fail 'its report does not take its own token'
  say 'service:    it served a pull of itself; its report takes the token that was made inside, and nobody without one'
}

report_status() {
  curl --silent --noproxy '*' --output /dev/null --write-out '%{http_code}' "$@" "$INSIDE_REPORT/api/v1/images"
}

# ctr ends as the container's first process did.
stop_image() {
  local pid started status=0
  pid=$(<"$RUN/image.pid")
  started=$(milliseconds)
  ctr_node tasks kill --signal SIGTERM weir-image
  wait_for 35 'the image to stop' is_gone "$pid" || fail 'it does not stop'
  wait "$pid" || status=$?
  ((status == 0)) || fail "it ended with $status: $(tail -n 20 "$RUN/image.log")"
  say "stop:       ended with 0, $(seconds_since "$started") s after SIGTERM"
}
