#!/usr/bin/env bash
# Fetches the foreign programs that the tests compare with; prints NAME=PATH for each, MISSING=NAME: REASON where not.
#
# attr, acl, strace and tzdata are installed with apt-get (root). The versions of restic and rest-server are unpacked from Debian's
# packages into a cache of the user, shared by all checkouts, without touching the system.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast-test-tools
packages_needed=(attr acl strace tzdata)
programs_needed=(getfattr getfacl strace)

say() { printf 'test tools: %s\n' "$*" >&2; }
missing() { printf 'MISSING=%s\n' "$*"; }

install_system_packages() {
  local program absent=()
  for program in "${programs_needed[@]}"; do type -P "$program" >/dev/null || absent+=("$program"); done
  [[ -e /usr/share/zoneinfo/Europe/Berlin ]] || absent+=(tzdata)
  ((${#absent[@]} > 0)) || return 0
  say "installing Debian packages: ${packages_needed[*]}"
  if ((EUID != 0)); then
    missing "${absent[*]}: not root; run once: apt-get install ${packages_needed[*]}"
  elif ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${packages_needed[@]}"; } >"$cache/apt.log" 2>&1 </dev/null; then
    missing "${absent[*]}: apt-get could not install ${packages_needed[*]}: $(tail -n 1 "$cache/apt.log")"
  fi
}

# Debian's mirror as this host is configured to use it.
debian_mirror() {
  local mirror
  mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
  [[ $mirror ]] || mirror=$(sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]*debian[^ ]*) .*/\2/p' /etc/apt/sources.list 2>/dev/null | head -n 1)
  printf '%s' "$mirror"
}

# unpack NAME PACKAGE SUITE: the package of that Debian release, unpacked into the cache under NAME.
unpack() {
  local name=$1 package=$2 suite=$3 mirror work=$cache/work
  mirror=$(debian_mirror)
  [[ $mirror ]] || { echo "this host has no Debian mirror configured" && return 1; }
  local options=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root
    -o Acquire::Check-Valid-Until=false) # a mirror may be frozen at a date; signatures are checked all the same
  rm -rf "$work"
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/packages"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/sources.list"
  if ! { apt-get "${options[@]}" -qq update && (cd "$work/packages" && apt-get "${options[@]}" -qq download "$package"); } >"$work/log" 2>&1 </dev/null; then
    echo "apt-get cannot download $package from Debian $suite: $(grep -m 1 -E '^[EW]:' "$work/log" || tail -n 1 "$work/log")"
    return 1
  fi
  rm -rf "$cache/$name.new" "${cache:?}/$name"
  dpkg -x "$work/packages/"*.deb "$cache/$name.new" || { echo "dpkg cannot unpack $package" && return 1; }
  mv "$cache/$name.new" "$cache/$name"
  rm -rf "$work"
}

# provide VARIABLE NAME PACKAGE SUITE PROGRAM: the path of the program, fetched when it is not in the cache.
provide() {
  local variable=$1 name=$2 package=$3 suite=$4 program=$cache/$2/$5 reason
  if [[ ! -x $program ]]; then
    say "fetching $package of Debian $suite"
    reason=$(unpack "$name" "$package" "$suite") || {
      missing "$variable: $reason"
      return 0
    }
  fi
  printf '%s=%s\n' "$variable" "$program"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
install_system_packages
provide HOLDFAST_RESTIC restic-sid restic sid usr/bin/restic
provide HOLDFAST_RESTIC_OLD restic-bookworm restic bookworm usr/bin/restic
provide HOLDFAST_REST_SERVER rest-server-trixie restic-rest-server trixie usr/bin/restic-rest-server
