#!/usr/bin/env bash
# Makes the image that the demo, the end-to-end tests and the benchmarks pull, and the truth about what is in it.
#
# Takes:  OUTDIR; as root, or as a user who may use sudo. The packages named in the .txt files beside this script
#         come from the machine's own apt, pip and npm sources.
# Does:   builds five layers, so that what weir reports depends on composing them right: Debian 12 by mmdebstrap;
#         operating system packages (which overwrite dpkg's status); Python packages (the large layer); an
#         application layer that adds npm packages, upgrades and removes Python packages, removes a Debian package
#         and deletes a file of the first layer; a small last layer.
# Leaves: OUTDIR/oci               OCI layout: tag "1", and tag "multi", an index of it and of an image of another
#                                  architecture
#         OUTDIR/oci-zstd          tag "1" again, its layers compressed with zstd
#         OUTDIR/truth/dpkg.tsv    package, version, architecture, source package, source version
#         OUTDIR/truth/pip.tsv     name, version
#         OUTDIR/truth/npm.tsv     name, version of each package directly under a node_modules folder
#         OUTDIR/key               hash of all inputs: a second call with the same inputs returns at once
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# Every file newer than this instant is set back to it, so that two builds of the same packages agree.
export SOURCE_DATE_EPOCH=1735689600
CREATED=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
readonly CREATED
# The Python of the image is Debian 12's; wheels are chosen for it, whatever Python the machine has besides.
readonly PYTHON=/usr/bin/python3
readonly SITE_PACKAGES=usr/local/lib/python3.11/dist-packages
readonly APPLICATION=srv/shop

main() {
  if (($# != 1)); then
    printf 'usage: make-image.sh OUTDIR\n' >&2
    return 2
  fi
  local outdir key
  mkdir -p "$1"
  outdir=$(cd "$1" && pwd)
  key=$(inputs_key)
  if [[ -f $outdir/key && $(<"$outdir/key") == "$key" ]]; then
    printf 'image: up to date in %s\n' "$outdir"
    return 0
  fi
  if ((EUID != 0)); then
    sudo --preserve-env "${BASH_SOURCE[0]}" "$outdir"
    sudo chown -R "$(id -u):$(id -g)" "$outdir"
    return 0
  fi
  (
    flock 9
    # Whoever held the lock may have made it meanwhile.
    if [[ -f $outdir/key && $(<"$outdir/key") == "$key" ]]; then exit 0; fi
    build "$outdir"
    printf '%s\n' "$key" >"$outdir/key"
  ) 9>"$outdir/lock"
}

inputs_key() {
  {
    dpkg --print-architecture
    cat "$HERE"/make-image.sh "$HERE"/add-index.py "$HERE"/*.txt
  } | sha256sum | cut -d ' ' -f 1
}

# One entry a line, without comments and blank lines.
entries() {
  grep -v -e '^#' -e '^$' "$HERE/$1"
}

build() {
  local outdir=$1 started=$SECONDS
  rm -rf "$outdir"/work.* "$outdir/key" "$outdir/oci" "$outdir/oci-zstd" "$outdir/truth"
  WORK=$(mktemp -d "$outdir/work.XXXXXX")
  STEP=''
  trap on_exit EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  LAYOUT=$WORK/oci BUNDLE=$WORK/bundle ROOT=$WORK/bundle/rootfs

  step 'empty image' start_image
  step 'layer 0: Debian 12 (mmdebstrap)' base_layer
  step 'layer 1: operating system packages (apt)' system_layer
  step 'layer 2: Python packages (pip)' python_layer
  step 'layer 3: application (npm, upgrades, removals)' application_layer
  step 'layer 4: settings' last_layer
  step 'truth' write_truth
  umoci gc --layout "$LAYOUT"
  step 'two-platform index' "$PYTHON" "$HERE/add-index.py" "$LAYOUT" 1 multi
  step 'zstd twin' zstd_twin

  mv "$WORK/oci" "$WORK/oci-zstd" "$WORK/truth" "$outdir"
  printf 'image: made in %d s: %s\n' "$((SECONDS - started))" "$outdir"
}

# Runs a step with its output in a file: on_exit shows its end if the step, and with it the script, fails.
# "if ! step" or "step ||" would switch errexit off inside it.
step() {
  local name=$1 started=$SECONDS
  shift
  STEP=$name
  printf 'image: %s … ' "$name"
  "$@" >"$WORK/log" 2>&1
  STEP=''
  printf '%d s\n' "$((SECONDS - started))"
}

on_exit() {
  if [[ -n $STEP ]]; then
    printf 'stopped\n'
    tail -n 40 "$WORK/log" >&2
  fi
  rm -rf "$WORK"
}

start_image() {
  umoci init --layout "$LAYOUT"
  umoci new --image "$LAYOUT:1"
  umoci config --image "$LAYOUT:1" --no-history --created "$CREATED" --os linux \
    --architecture "$(oci_architecture)"
  # Before the first layer, as an empty entry below it: layers and history entries do not count alike.
  commit_setting 'ENV PYTHONUNBUFFERED=1 SHOP_PORT=8000' --config.env PYTHONUNBUFFERED=1 --config.env SHOP_PORT=8000 \
    --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  umoci unpack --image "$LAYOUT:1" "$BUNDLE"
}

oci_architecture() {
  dpkg --print-architecture | sed -e 's/armhf/arm/' -e 's/i386/386/' -e 's/ppc64el/ppc64le/'
}

# Adds what changed since the last call as a layer, with the command that the image's history shows for it.
commit_layer() {
  find "$ROOT" -newermt "@$SOURCE_DATE_EPOCH" -print0 |
    xargs -0 --no-run-if-empty touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
  umoci repack --refresh-bundle --image "$LAYOUT:1" --history.created "$CREATED" --history.created_by "$1" "$BUNDLE"
}

# Records a setting in the configuration and as a history entry without a layer.
commit_setting() {
  local created_by=$1
  shift
  umoci config --image "$LAYOUT:1" --created "$CREATED" --history.created "$CREATED" \
    --history.created_by "$created_by" "$@"
}

base_layer() {
  apt_sources >"$WORK/sources.list"
  apt_acquire_options >"$WORK/acquire.conf"
  mmdebstrap --variant=minbase --mode=root --format=directory --aptopt="$WORK/acquire.conf" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$ROOT" "$WORK/sources.list"
  # mmdebstrap keeps its options for later calls of apt and dpkg; they are this machine's, not the image's.
  rm -rf "$ROOT"/etc/apt/apt.conf.d/99mmdebstrap "$ROOT"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "${ROOT:?}"/dev/* \
    "$ROOT"/etc/resolv.conf "$ROOT"/etc/hostname
  clean_root
  commit_layer 'mmdebstrap --variant=minbase bookworm'
}

# The machine's Debian sources, as one-line entries: its mirror is the one that works here. Third-party sources stay out.
apt_sources() {
  apt_targets | grep . || { apt-get -qq update && apt_targets | grep .; }
}

apt_targets() {
  apt-get indextargets --format "deb \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
    'Created-By: Packages' 'Origin: Debian' | sort --unique
}

apt_acquire_options() {
  apt-config dump | grep -E '^Acquire::((http|https)::[Pp]roxy|Check-)' || true
}

system_layer() {
  local packages
  mapfile -t packages < <(entries debian.txt)
  root_apt update
  root_apt install --yes "${packages[@]}"
  clean_root
  commit_layer "apt-get install --no-install-recommends ${packages[*]}"
}

# The machine's apt acting on the image: it downloads out here, where name resolution and proxies work, and runs dpkg
# inside. The package lists stay outside, and neither /proc nor /sys is needed in the image.
root_apt() {
  cat >"$WORK/apt.conf" <<CONF
Dir "$ROOT";
Dir::State::lists "$WORK/lists";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log::Terminal "";
Dir::Log::History "";
DPkg::Chroot-Directory "$ROOT";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
DPkg::Path "/usr/sbin:/usr/bin:/sbin:/bin";
CONF
  cat "$WORK/acquire.conf" >>"$WORK/apt.conf"
  mkdir -p "$WORK/lists/partial"
  # Maintainer scripts redirect to it; where device nodes are forbidden a file serves.
  mknod -m 666 "$ROOT/dev/null" c 1 3 || : >"$ROOT/dev/null"
  APT_CONFIG=$WORK/apt.conf DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -qq "$@"
  rm -f "$ROOT/dev/null"
}

# What differs from build to build and serves nobody.
clean_root() {
  rm -rf "$ROOT"/var/log/apt "$ROOT"/var/log/dpkg.log "$ROOT"/var/log/alternatives.log \
    "$ROOT"/var/log/bootstrap.log "$ROOT"/var/cache/ldconfig/aux-cache "$ROOT"/var/cache/apt/*.bin \
    "$ROOT"/var/cache/apt/archives/*.deb "$ROOT"/var/lib/dpkg/updates/* \
    "$ROOT"/var/cache/debconf/*-old "$ROOT"/var/lib/dpkg/*-old
  find "$ROOT" -xdev -type d -name __pycache__ -prune -exec rm -rf {} +
}

python_layer() {
  entries python.txt >"$WORK/python.txt"
  pip_install "$WORK/python.txt"
  commit_layer 'pip install --no-deps -r requirements.txt'
}

# Wheels only: no code of a package runs while the image is made.
pip_install() {
  "$PYTHON" -m pip install --quiet --no-compile --no-deps --only-binary=:all: --implementation cp \
    --python-version 3.11 --platform "manylinux2014_$(uname -m)" --platform "manylinux_2_28_$(uname -m)" \
    --root-user-action=ignore --disable-pip-version-check --target "$WORK/site" --requirement "$1"
  # Scripts would name the machine's interpreter, and pip's --target places them where no image has them.
  rm -rf "$WORK/site/bin"
  mkdir -p "$ROOT/$SITE_PACKAGES"
  cp -a "$WORK/site/." "$ROOT/$SITE_PACKAGES/"
  rm -rf "$WORK/site"
}

# Removes what the package's own RECORD lists, as pip does, and the folders that this leaves empty.
pip_remove() {
  local name=${1%%==*} info
  info=$(find "$ROOT/$SITE_PACKAGES" -maxdepth 1 -iname "${name//-/_}-*.dist-info")
  cut -d , -f 1 "$info/RECORD" | (cd "$ROOT/$SITE_PACKAGES" && xargs -d '\n' rm -f --)
  rm -rf "$info"
  find "$ROOT/$SITE_PACKAGES" -mindepth 1 -type d -empty -delete
}

application_layer() {
  local requirement packages
  while read -r requirement; do pip_remove "$requirement"; done < <(entries python-removed.txt)
  while read -r requirement; do pip_remove "$requirement"; done < <(entries python-upgraded.txt)
  entries python-upgraded.txt >"$WORK/python.txt"
  pip_install "$WORK/python.txt"

  mapfile -t packages < <(entries npm.txt)
  npm_install "${packages[@]}"

  mapfile -t packages < <(entries debian-removed.txt)
  root_apt remove --yes "${packages[@]}"
  rm "$ROOT/etc/issue.net"
  clean_root
  commit_layer 'COPY shop /srv/shop && pip install --upgrade Django sqlparse && pip uninstall tornado && npm install'
}

npm_install() {
  mkdir -p "$ROOT/$APPLICATION"
  printf '{"name": "weir-demo-shop", "version": "1.0.0", "private": true}\n' >"$ROOT/$APPLICATION/package.json"
  npm install --prefix "$ROOT/$APPLICATION" --ignore-scripts --no-audit --no-fund --no-package-lock --omit=dev \
    --save-exact --loglevel=error "$@"
  rm -f "$ROOT/$APPLICATION/node_modules/.package-lock.json"
  chown -R 0:0 "$ROOT/$APPLICATION"
}

# Settings come after the last layer: repack starts from the configuration that the bundle was unpacked with.
last_layer() {
  printf '[shop]\nport = 8000\n' >"$ROOT/$APPLICATION/shop.ini"
  commit_layer 'COPY shop.ini /srv/shop/shop.ini'
  commit_setting 'USER 65534:65534' --config.user 65534:65534
  commit_setting 'WORKDIR /srv/shop' --config.workingdir /srv/shop
  commit_setting 'CMD ["python3", "-m", "http.server", "8000"]' --config.cmd python3 --config.cmd -m \
    --config.cmd http.server --config.cmd 8000
}

write_truth() {
  mkdir -p "$WORK/truth"
  # dpkg-query also knows removed packages whose configuration stayed; they are not installed.
  dpkg-query --admindir="$ROOT/var/lib/dpkg" -W -f \
    '${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n' |
    sed -n 's/^installed\t//p' | LC_ALL=C sort >"$WORK/truth/dpkg.tsv"
  "$PYTHON" -m pip list --disable-pip-version-check --format json --path "$ROOT/$SITE_PACKAGES" \
    --path "$ROOT/usr/lib/python3/dist-packages" --path "$ROOT/usr/lib/python3.11" |
    jq -r '.[] | [.name, .version] | @tsv' | LC_ALL=C sort >"$WORK/truth/pip.tsv"
  find "$ROOT" -xdev -name package.json -type f |
    grep -E '/node_modules/(@[^/]+/)?[^/]+/package\.json$' |
    xargs -d '\n' jq -r 'select(.name and .version) | [.name, .version] | @tsv' |
    LC_ALL=C sort --unique >"$WORK/truth/npm.tsv"
  local file
  for file in dpkg pip npm; do test -s "$WORK/truth/$file.tsv"; done
}

zstd_twin() {
  skopeo --insecure-policy copy --quiet --dest-compress-format zstd "oci:$LAYOUT:1" "oci:$WORK/oci-zstd:1"
  # A skopeo that cannot recompress copies instead, and then this would not be the twin it is named.
  skopeo inspect --raw "oci:$WORK/oci-zstd:1" | jq -e 'all(.layers[]; .mediaType | endswith("+zstd"))'
}

main "$@"
