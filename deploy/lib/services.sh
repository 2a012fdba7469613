#!/usr/bin/env bash
# Starts the daemons of the demo and of the end-to-end tests on loopback, and ends exactly those. Sourced after common.sh.
#
# Takes:  directories to keep everything in; WEIR_BIN for start_weir. Call the functions in the script's own shell, not
#         in $(…): the daemons are its children, and their process ids are kept in its memory.
# Does:   each start_* writes DIR/NAME.log and DIR/NAME.pid, and returns when the daemon answers or fails with the end
#         of its log. Nothing of the system's own daemons of the same name is read or touched.
# Leaves: whatever the daemons wrote below their directories; stop_all ends them in reverse order.

SERVICE_NAMES=()
SERVICE_PIDS=()

# start_service NAME DIR COMMAND...: a daemon in a session of its own, so that Ctrl-C reaches this script alone and the
# daemons are ended in order.
start_service() {
  local name=$1 dir=$2
  shift 2
  mkdir -p "$dir"
  setsid "$@" </dev/null >"$dir/$name.log" 2>&1 &
  SERVICE_NAMES+=("$name")
  SERVICE_PIDS+=("$!")
  printf '%d\n' "$!" >"$dir/$name.pid"
}

# service_ready SECONDS NAME DIR COMMAND...: waits until the command succeeds or the daemon is gone.
service_ready() {
  local limit=$1 name=$2 dir=$3 pid
  shift 3
  pid=$(<"$dir/$name.pid")
  if ! wait_for "$limit" "$name" ready_or_gone "$pid" "$@" || ! "$@" >/dev/null 2>&1; then
    printf '%s did not get there; the end of %s:\n' "$name" "$dir/$name.log" >&2
    tail -n 20 "$dir/$name.log" >&2
    return 1
  fi
}

ready_or_gone() {
  local pid=$1
  shift
  "$@" || ! is_running "$pid"
}

# A process that ended stays as a zombie until its parent asks; it runs no longer. /proc is read because a daemon
# started by sudo takes no signals from us.
is_running() {
  local state
  state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) && [[ -n $state && $state != Z ]]
}

# start_registry DIR PORTFILE: docker-registry on a free port, which is written to PORTFILE; images can be deleted.
start_registry() {
  local dir=$1 portfile=$2 port
  mkdir -p "$dir"
  port=$(free_port)
  cat >"$dir/registry.yml" <<CONFIG
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $dir/registry}
  delete: {enabled: true}
http: {addr: "127.0.0.1:$port"}
CONFIG
  start_service registry "$dir" docker-registry serve "$dir/registry.yml"
  service_ready 20 registry "$dir" http_ok "http://127.0.0.1:$port/v2/"
  printf '%d\n' "$port" >"$portfile"
}

# start_containerd DIR: a containerd with its own root, state and socket DIR/containerd.sock; it needs root. Sets
# SNAPSHOTTER, for ctr: overlayfs where DIR's file system carries overlays, else native, which copies every layer.
start_containerd() {
  local dir=$1
  ((${#dir} < 80)) || fail "start_containerd: a socket's path may have 107 bytes, too few for one below $dir"
  mkdir -p "$dir"
  cat >"$dir/containerd.toml" <<CONFIG
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.internal.v1.restart",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
address = "$dir/containerd.sock"
uid = $(id -u)
gid = $(id -g)
[ttrpc]
address = "$dir/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "$dir/opt"
CONFIG
  if ((EUID == 0)); then
    start_service containerd "$dir" containerd --config "$dir/containerd.toml"
  else
    command -v sudo >/dev/null || fail 'containerd needs root, and there is no sudo'
    sudo --validate
    start_service containerd "$dir" sudo --non-interactive containerd --config "$dir/containerd.toml"
  fi
  service_ready 20 containerd "$dir" ctr --address "$dir/containerd.sock" version
  export SNAPSHOTTER=native
  if carries_overlays "$dir/overlay"; then SNAPSHOTTER=overlayfs; fi
}

# A trial says more than the kernel's list of file systems: an overlay on an overlay is refused, for one.
carries_overlays() {
  local trial=$1
  mkdir -p "$trial/lower" "$trial/upper" "$trial/work" "$trial/merged"
  as_root mount -t overlay overlay "$trial/merged" \
    -o "lowerdir=$trial/lower,upperdir=$trial/upper,workdir=$trial/work" 2>/dev/null && as_root umount "$trial/merged"
}

# ctr_pull DIR HOSTS REFERENCE [OPTION...]: a pull by the containerd of DIR, its registries as in the certs.d HOSTS.
ctr_pull() {
  local dir=$1 hosts=$2 reference=$3
  shift 3
  as_root ctr --address "$dir/containerd.sock" images pull --snapshotter "$SNAPSHOTTER" --hosts-dir "$hosts" "$@" "$reference"
}

# start_prometheus DIR TARGET: scrapes http://TARGET/metrics each second; DIR/prometheus.port holds its own port.
start_prometheus() {
  local dir=$1 target=$2 port
  mkdir -p "$dir"
  port=$(free_port)
  cat >"$dir/prometheus.yml" <<CONFIG
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: weir
    static_configs: [{targets: ["$target"]}]
CONFIG
  start_service prometheus "$dir" prometheus --config.file="$dir/prometheus.yml" \
    --storage.tsdb.path="$dir/prometheus" --web.listen-address="127.0.0.1:$port" --log.level=warn
  service_ready 30 prometheus "$dir" http_ok "http://127.0.0.1:$port/-/ready"
  printf '%d\n' "$port" >"$dir/prometheus.port"
}

# start_weir DIR [CONFIG]: $WEIR_BIN with its data in DIR/data, on free loopback ports unless WEIR_LISTEN__MIRROR and
# WEIR_LISTEN__REPORT say others. Without a config weir's embedded default applies. Sets MIRROR_URL and REPORT_URL.
start_weir() {
  local dir=$1 config=${2:-}
  export WEIR_LISTEN__MIRROR=${WEIR_LISTEN__MIRROR:-127.0.0.1:$(free_port)}
  export WEIR_LISTEN__REPORT=${WEIR_LISTEN__REPORT:-127.0.0.1:$(free_port)}
  export MIRROR_URL=http://$WEIR_LISTEN__MIRROR
  export REPORT_URL=http://$WEIR_LISTEN__REPORT
  mkdir -p "$dir/data"
  start_service weir "$dir" "$WEIR_BIN" serve ${config:+--config "$config"} --data "$dir/data"
  service_ready 30 weir "$dir" http_ok "$REPORT_URL/readyz"
}

# stop_all: ends the daemons of this script, the last started first: by SIGTERM, after 15 s by SIGKILL. The process ids
# cannot have passed on to others: as our children they stay taken until we wait for them.
stop_all() {
  local i
  for ((i = ${#SERVICE_PIDS[@]} - 1; i >= 0; i--)); do
    stop_service "${SERVICE_NAMES[i]}" "${SERVICE_PIDS[i]}"
  done
  SERVICE_NAMES=()
  SERVICE_PIDS=()
}

stop_service() {
  local name=$1 pid=$2
  if is_running "$pid"; then
    signal TERM "$pid"
    if ! wait_for 15 "$name to stop" is_gone "$pid"; then signal KILL "$pid"; fi
  fi
  wait "$pid" 2>/dev/null || true
}

is_gone() {
  ! is_running "$1"
}

# sudo hands SIGTERM on to what it runs, but takes it from root alone.
signal() {
  kill "-$1" "$2" 2>/dev/null || as_root kill "-$1" "$2" 2>/dev/null || true
}
