#!/usr/bin/env bash
# What has to hold before a release. Sourced after version.sh; ROOT is the checkout.

# check VERSION: every mistake at once.
check() {
  local version=$1 problems=()
  [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || problems+=("$version is no version: it has to look like 1.2.3 or 1.2.3-rc.1")
  [[ $(workspace_version) == "$version" ]] || problems+=("Cargo.toml: workspace.package.version is $(workspace_version), not $version")
  lock_agrees "$version" || problems+=("Cargo.lock: weir-proxy has another version: cargo update --workspace")
  check_changelog "$version"
  check_chart "$version"
  [[ -z $(git -C "$ROOT" status --porcelain) ]] || problems+=("the checkout differs from its commit: $(git -C "$ROOT" status --porcelain | sed -n 1,5p | tr '\n' ';')")
  if git -C "$ROOT" rev-parse --quiet --verify "refs/tags/v$version" >/dev/null &&
    [[ $(git -C "$ROOT" rev-parse "v$version^{commit}") != $(git -C "$ROOT" rev-parse HEAD) ]]; then
    problems+=("the tag v$version is on another commit")
  fi
  if ((${#problems[@]} > 0)); then
    printf 'release.sh: %s\n' "${problems[@]}" >&2
    return 1
  fi
  say "checked: $version can be released from $(git -C "$ROOT" rev-parse --short HEAD)"
}

lock_agrees() {
  python3 -c 'import sys, tomllib
packages = tomllib.load(open(sys.argv[1], "rb"))["package"]
sys.exit([package["version"] for package in packages if package["name"] == "weir-proxy"] != [sys.argv[2]])' "$ROOT/Cargo.lock" "$1"
}

# The heading says when: "## 1.2.3, 2026-01-31".
check_changelog() {
  local heading
  heading=$(grep -F -e "## $1," "$ROOT/CHANGELOG.md" | sed -n 1p || true)
  if [[ -z $heading ]]; then
    problems+=("CHANGELOG.md: no section \"## $1, DATE\"")
  elif [[ ! $heading =~ ^'## '$1', '[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]]; then
    problems+=("CHANGELOG.md: \"$heading\" has no date such as 2026-01-31")
  elif [[ -z $(release_notes "$1" | tr -d '[:space:]') ]]; then
    problems+=("CHANGELOG.md: the section of $1 says nothing")
  fi
}

check_chart() {
  local chart=$ROOT/deploy/kubernetes/chart/Chart.yaml
  if [[ -f $chart ]] && [[ $(sed -n 's/^version: *//p' "$chart") != "$1" || $(sed -n 's/^appVersion: *"\(.*\)"/\1/p' "$chart") != "$1" ]]; then
    problems+=("deploy/kubernetes/chart/Chart.yaml: version and appVersion have to be $1")
  fi
}

# release_notes VERSION: its section of the changelog, without the heading.
release_notes() {
  awk -v heading="## $1," 'index($0, heading) == 1 { inside = 1; next } /^## / { inside = 0 } inside' "$ROOT/CHANGELOG.md"
}
