#!/bin/sh
# Installs what this machine lacks: `packages.sh run` for ghostaux itself, `packages.sh test` for its tests too, `packages.sh dist`
# for a look at the packages, `packages.sh image` for one at the images.
# On Debian and Ubuntu, as root or with sudo; elsewhere it names what to install.
set -eu

run='pulseaudio pulseaudio-utils ffmpeg'
test='sox pcscd vsmartcard-vpcd opensc pcsc-tools cups-daemon cups-client printer-driver-cups-pdf chromium
  qemu-system-x86 xz-utils libsdl2-2.0-0 gcc libc6-dev nginx-light curl openssl ghostscript strace file iproute2 util-linux shellcheck mandoc'
dist='qemu-user-static lintian mandoc shellcheck zsh fish file curl'
image='buildah mmdebstrap iproute2 util-linux'

case "${1:-}" in
  run) want=$run ;;
  test) want="$run $test" ;;
  dist) want=$dist ;;
  image) want=$image ;;
  *) echo "usage: packages.sh run|test|dist|image" >&2; exit 2 ;;
esac

command -v dpkg-query >/dev/null || {
  echo "This is no Debian or Ubuntu. Install what these packages hold, then go on: $want" >&2
  exit 1
}
missing=
for p in $want; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "Run as root, or install:$missing" >&2; exit 1; }
  as_root=sudo
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 # the list is meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
