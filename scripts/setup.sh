# Makes the checkout ready to run: packages, Node 24, WebAssembly. Sourced by ./holdfast and ./test.
#
# The caller sets `root` to the absolute path of the checkout and calls `ensure_set_up`, which costs no
# process when everything is up to date, says on standard error what it does, and sets `node`.

set_up_say() { printf 'holdfast: %s\n' "$*" >&2; }

# Says what is wrong and, on further lines, what to do about it; ends the process.
set_up_fail() {
  set_up_say "cannot set up: $1"
  shift
  if (($# > 0)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

ensure_set_up() {
  node=$root/node_modules/.bin/node
  set_up_is_current || set_up_locked
}

# True when nothing that the set-up was made from has changed since.
set_up_is_current() {
  local stamp=$root/.cache/set-up kernel=$root/packages/repository/kernel source
  [[ -e $stamp && -x $node && -e $kernel/build/kernel.wasm ]] || return 1
  for source in "$root/package-lock.json" "$root/package.json" "$kernel/assembly" "$kernel/assembly/"*; do
    [[ ! $source -nt $stamp ]] || return 1
  done
}

# One set-up at a time: a second first run waits for the first and then finds everything done.
set_up_locked() {
  mkdir -p "$root/.cache" 2>/dev/null && [[ -w $root/.cache && -w $root ]] ||
    set_up_fail "$root cannot be written to." \
      "Run ./holdfast once as the owner of this directory, or copy it to a place that you can write to."
  (
    exec 9>"$root/.cache/set-up.lock"
    if ! flock --nonblock 9; then
      set_up_say "another process is setting this checkout up; waiting for it"
      flock 9
    fi
    set_up_is_current || set_up_now # npm inherits the lock: should we be killed, it still counts as busy
  ) || exit 1
}

set_up_now() {
  local new_stamp
  new_stamp=$root/.cache/set-up.new
  : >"$new_stamp" # before the work: what changes meanwhile is newer and is seen the next time
  set_up_is_installed || set_up_install
  set_up_build_kernel
  mv "$new_stamp" "$root/.cache/set-up"
}

# True when node_modules holds exactly what package-lock.json names for this machine.
set_up_is_installed() {
  [[ -x $node && -e $root/node_modules/.package-lock.json ]] && "$node" "$root/scripts/verify-install.ts" 2>/dev/null
}

set_up_install() {
  local log=$root/.cache/set-up.log offline=
  set_up_check_machine
  set_up_say "installing packages and Node 24 into node_modules (about 150 MB, once)"
  # Without a network npm itself would try for minutes; what is in its cache may still be enough.
  if ! set_up_npm ping --fetch-retries=0 --fetch-timeout=15000 && set_up_network_failed; then offline=--offline; fi
  # Not `npm ci`: it refuses a lock file that lacks the binaries of foreign platforms, which not every registry
  # has. verify-install.ts holds what was installed against package-lock.json instead.
  if ! set_up_npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error --prefer-offline $offline; then
    tail -n 15 "$log" >&2
    if [[ $offline ]] || set_up_network_failed; then
      set_up_fail "the npm registry cannot be reached." \
        "The first run needs the network. Check it (and the proxy and registry: npm config list), then run this again."
    fi
    set_up_fail "npm could not install the packages." "Its messages are above and in $log"
  fi
  [[ -x $node ]] || set_up_fail "there is no Node 24 in node_modules after the installation." \
    "Was npm told to leave out optional packages (npm config get omit)? Node comes as one of them."
  "$node" "$root/scripts/verify-install.ts" ||
    set_up_fail "what npm installed is not what package-lock.json names." \
      "Remove node_modules and run this again; after a change of package.json, run npm install first."
}

set_up_npm() { (cd "$root" && npm "$@") >"$root/.cache/set-up.log" 2>&1 </dev/null; }

set_up_network_failed() {
  grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ENOTCACHED|FETCH_ERROR' \
    "$root/.cache/set-up.log"
}

set_up_check_machine() {
  local system
  system=$(uname -sm)
  case $system in
    "Linux x86_64" | "Linux aarch64") ;;
    *) set_up_fail "Holdfast runs on Linux on x86-64 and ARM64; this is $system." ;;
  esac
  type -P node >/dev/null || set_up_fail "node is missing." "Install Node.js 20 or newer together with npm, then run this again."
  type -P npm >/dev/null || set_up_fail "npm is missing." "Install npm (on Debian: apt-get install npm), then run this again."
  local version
  version=$(node --version 2>/dev/null) || set_up_fail "node does not start." "Run 'node --version' to see why."
  version=${version#v}
  ((${version%%.*} >= 20)) || set_up_fail "node is $version, too old to install the packages." "Install Node.js 20 or newer, then run this again."
}

set_up_build_kernel() {
  local kernel=$root/packages/repository/kernel source
  local wasm=$kernel/build/kernel.wasm
  if [[ -e $wasm ]]; then
    local changed=
    for source in "$root/package-lock.json" "$kernel/assembly" "$kernel/assembly/"*; do
      [[ ! $source -nt $wasm ]] || changed=yes
    done
    [[ $changed ]] || return 0
  fi
  set_up_say "building WebAssembly"
  set_up_npm run --silent build:wasm || {
    tail -n 30 "$root/.cache/set-up.log" >&2
    set_up_fail "the WebAssembly kernel does not build." "The compiler's messages are above."
  }
  [[ -e $wasm ]] || set_up_fail "npm run build:wasm made no $wasm."
}
