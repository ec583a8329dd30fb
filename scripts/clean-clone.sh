#!/usr/bin/env bash
# Tries what a newcomer does, in a clean clone with an empty home and an empty npm cache: ./holdfast, then ./test.
#
#   scripts/clean-clone.sh [--with-changes] [--debian] [--keep] [-- ARGUMENTS OF ./test]
#
#   --with-changes  take the work tree with its uncommitted files instead of the last commit
#   --debian        do it inside a minimal Debian bookworm with nothing but this machine's Node and npm (root;
#                   needs debootstrap and Debian's mirror)
#   --keep          leave the directory for a look around
set -euo pipefail

root=$(readlink -f -- "$(dirname "${BASH_SOURCE[0]}")/..")
changes='' debian='' keep=''
while (($# > 0)); do
  case $1 in
    --with-changes) changes=yes ;;
    --debian) debian=yes ;;
    --keep) keep=yes ;;
    --) shift && break ;;
    *) sed -n '4,9s/^# *//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
  esac
  shift
done
test_arguments=("$@")

place=$(mktemp -d /tmp/holdfast-clean-XXXXXX)
chmod 755 "$place" # some tests run as another user, who has to reach the checkout as in any ordinary place
system=''
clean_up() {
  [[ -z $system ]] || umount "$system/proc" "$system/dev" 2>/dev/null || true
  if [[ $keep ]]; then echo "kept: $place"; else rm -rf --one-file-system "$place"; fi
}
trap clean_up EXIT

clone_into() {
  if [[ $changes ]]; then
    mkdir -p "$1"
    git -C "$root" ls-files -z --cached --others --exclude-standard |
      (cd "$root" && xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' sh) |
      tar -C "$root" --null -T - -cf - | tar -C "$1" -xf -
    git -C "$1" init -q
  else
    git clone -q --no-hardlinks "$root" "$1"
  fi
}

# What a newcomer has: a home of their own, the network's settings, nothing of ours.
kept_settings=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY NODE_EXTRA_CA_CERTS npm_config_registry; do
  if [[ ${!name-} ]]; then kept_settings+=("$name=${!name}"); fi
done

try() {
  echo "== $*"
  local started=$SECONDS status=0
  if [[ $debian ]]; then
    chroot "$system" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${kept_settings[@]}" \
      bash -c 'cd /root/holdfast && "$@"' sh "$@" </dev/null || status=$?
  else
    env -i HOME="$place/home" PATH="$PATH" "${kept_settings[@]}" \
      bash -c 'cd "$0" && "$@"' "$place/holdfast" "$@" </dev/null || status=$?
  fi
  echo "== exit $status after $((SECONDS - started)) s: $*"
  ((status == 0)) || failed=yes
}

# A minimal Debian with the Node and npm of this machine copied in, as a newcomer's own installation would be.
make_debian() {
  system=$place/debian
  local mirror node_binary npm_folder
  mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources | head -n 1)
  debootstrap --variant=minbase --include=ca-certificates,git bookworm "$system" "$mirror" >"$place/debootstrap.log" 2>&1 ||
    { tail -n 5 "$place/debootstrap.log" && exit 1; }
  cp /etc/resolv.conf "$system/etc/resolv.conf"
  cp /etc/apt/apt.conf.d/*[pP]roxy* "$system/etc/apt/apt.conf.d/" 2>/dev/null || true
  cp /etc/ssl/certs/ca-certificates.crt "$system/etc/ssl/certs/ca-certificates.crt"
  node_binary=$(readlink -f "$(type -P node)")
  npm_folder=$(readlink -f "$(npm root --global --loglevel=error)/npm")
  mkdir -p "$system/usr/local/lib/node_modules"
  cp "$node_binary" "$system/usr/local/bin/node"
  cp -r "$npm_folder" "$system/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$system/usr/local/bin/npm"
  mount --bind /dev "$system/dev"
  mount -t proc proc "$system/proc"
}

failed=''
mkdir "$place/home"
if [[ $debian ]]; then
  make_debian
  clone_into "$system/root/holdfast"
else
  clone_into "$place/holdfast"
fi
try ./holdfast --version
try ./holdfast demo
try ./test "${test_arguments[@]}"
[[ -z $failed ]] && echo "== all well"
