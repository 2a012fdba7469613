#!/usr/bin/env bash
# Installs the Debian packages that weir's build, demo, tests and benchmarks need, on Debian 12.
#
# Takes:  one or more groups: build, run, bench; as root, or as a user who may use sudo.
# Does:   asks dpkg what is missing and calls apt-get for that alone; without anything missing it asks for no
#         rights and touches nothing. Services of the installed packages are neither started now nor at boot:
#         everything here starts its own daemons, on loopback ports of their own.
# Leaves: the packages, and the machine's own policy-rc.d as it was.
set -euo pipefail

readonly POLICY=/usr/sbin/policy-rc.d

# The packages of a group, one a line.
group_packages() {
  case $1 in
    build)
      # clang and libclang: bindgen reads RocksDB's headers through it. ccache: RocksDB is compiled once a machine.
      printf '%s\n' ca-certificates ccache clang g++ gcc libc6-dev libclang-dev make pkg-config
      # What the scripts are checked with.
      printf '%s\n' shellcheck
      ;;
    run)
      printf '%s\n' apt ca-certificates containerd curl docker-registry iproute2 jq mmdebstrap openssl procps \
        prometheus python3 python3-pip skopeo umoci zstd
      # What the scanner's tests make and install packages with, and ask what is installed.
      printf '%s\n' binutils composer db5.3-util liblua5.1-0-dev luarocks nix-bin openssh-client pacman-package-manager \
        php-pear python3-setuptools rpm ruby unzip
      # Whose orders of versions the scanner's are compared with.
      printf '%s\n' default-jre-headless elixir hugs libdpkg-perl libmaven3-core-java php-composer-semver \
        python3-packaging r-base-core
      # What the console is opened in.
      printf '%s\n' chromium
      # What weir's container image is built with.
      printf '%s\n' buildah
      # A Node.js from elsewhere brings its npm along, and the distribution's would conflict with it.
      command -v npm >/dev/null || printf '%s\n' nodejs npm
      ;;
    bench)
      printf '%s\n' hyperfine nginx-light time wrk
      ;;
    *)
      printf 'install.sh: unknown group "%s" (build, run, bench)\n' "$1" >&2
      return 2
      ;;
  esac
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true) == installed ]]
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

require_rights() {
  ((EUID == 0)) && return
  if ! command -v sudo >/dev/null; then
    printf 'install.sh: missing: %s\n' "$*" >&2
    printf 'install.sh: installing needs root, and there is no sudo: run "deploy/install.sh" once as root\n' >&2
    return 1
  fi
}

# invoke-rc.d and deb-systemd-invoke ask policy-rc.d; 101 means "forbidden by policy".
forbid_services() {
  POLICY_BACKUP=$(mktemp -d)
  if [[ -e $POLICY || -L $POLICY ]]; then as_root cp -a "$POLICY" "$POLICY_BACKUP/policy-rc.d"; fi
  trap restore_policy EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY.weir" >/dev/null
  as_root chmod 755 "$POLICY.weir"
  as_root mv -f "$POLICY.weir" "$POLICY"
}

restore_policy() {
  as_root rm -f "$POLICY"
  if [[ -e $POLICY_BACKUP/policy-rc.d || -L $POLICY_BACKUP/policy-rc.d ]]; then
    as_root cp -a "$POLICY_BACKUP/policy-rc.d" "$POLICY"
  fi
  as_root rm -rf "$POLICY_BACKUP"
}

# policy-rc.d speaks for now only: at the next boot systemd would start what the packages enabled.
disable_units() {
  command -v systemctl >/dev/null || return 0
  local package unit
  for package in "$@"; do
    while read -r unit; do
      as_root systemctl disable --quiet "$unit" 2>/dev/null || true
    done < <(dpkg -L "$package" | sed -n 's|^\(/usr\)\?/lib/systemd/system/\([^/@]*\.service\)$|\2|p')
  done
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

main() {
  if (($# == 0)); then
    printf 'usage: install.sh GROUP... (build, run, bench)\n' >&2
    return 2
  fi
  local group packages="" package missing=() started=$SECONDS
  for group in "$@"; do packages+=$(group_packages "$group")$'\n'; done
  for package in $packages; do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0

  require_rights "${missing[@]}"
  printf 'installing for %s: %s\n' "$*" "${missing[*]}"
  forbid_services
  apt_get update
  apt_get install --yes --no-install-recommends "${missing[@]}" >/dev/null
  disable_units "${missing[@]}"
  printf 'installed %d packages in %d s\n' "${#missing[@]}" "$((SECONDS - started))"
}

main "$@"
