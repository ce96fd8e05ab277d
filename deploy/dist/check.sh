#!/bin/sh
# Makes what `make dist` makes, twice, and looks at it: the same bytes, the checksums, static binaries of which that for arm64 runs under
# qemu, packages that lintian passes and dpkg installs and removes, an SBOM of all that is linked and bundled, and man page and
# completions that their readers understand. `check.sh VERSION`.
set -eu

work=$(mktemp -d)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
running=
trap '[ -z "$running" ] || kill "$running" 2>/dev/null || true; rm -rf "$work"' EXIT
step() { echo "== $*"; }
fail() { echo "check.sh: $*" >&2; exit 1; }

step "two builds, the same bytes"
deploy/dist/dist.sh "$1" "$work/one"
deploy/dist/dist.sh "$1" "$work/two"
diff -r "$work/one" "$work/two"
cd "$work/one"

step "checksums"
sha256sum --quiet -c SHA256SUMS

step "static binaries"
for arch in amd64 arm64; do
  file -b "ghostaux-linux-$arch" | grep -q 'statically linked' || fail "ghostaux-linux-$arch is not static"
done

step "arm64 under qemu"
qemu-aarch64-static ./ghostaux-linux-arm64 version
HOME=$work VNC_PW=secret qemu-aarch64-static ./ghostaux-linux-arm64 --only upload,audioin,smartcard --addr 127.0.0.1:0 --upload-addr off --audioin-addr off \
  --log-format json 2>"$work/log" &
running=$!
tries=0
until addr=$(sed -n 's/.*"listening".*"addr":"\([0-9.:]*\)".*/\1/p' "$work/log") && [ -n "$addr" ]; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || fail "it does not listen: $(cat "$work/log")"
  sleep 0.1
done
curl -fsSk "https://$addr/healthz" >/dev/null
curl -fsSk -u kasm_user:secret "https://$addr/status" | grep -q '"name": "upload"' || fail "no status of upload"
kill "$running"
wait "$running" || fail "it ends with $?"
running=

step "packages"
lintian --allow-root --fail-on error,warning ./*.deb
root=$work/root
mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info"
: > "$root/var/lib/dpkg/status"
for action in "-i ghostaux_*_amd64.deb" "-V ghostaux" "-P ghostaux"; do
  # shellcheck disable=SC2086 # it is meant to be split
  dpkg --root="$root" --force-not-root --log=/dev/null $action >/dev/null
  [ "$action" != "-V ghostaux" ] || for file in bin/ghostaux share/man/man1/ghostaux.1.gz share/bash-completion/completions/ghostaux \
    share/zsh/vendor-completions/_ghostaux share/fish/vendor_completions.d/ghostaux.fish share/doc/ghostaux/copyright; do
    [ -s "$root/usr/$file" ] || fail "the package lacks $file"
  done
done
[ ! -e "$root/usr/bin/ghostaux" ] || fail "the package leaves its binary"

step "SBOM and licences"
go version -m ghostaux-linux-amd64 | awk '$1 == "dep" {print $2}' | while read -r module; do
  grep -q "\"name\": \"$module\"" ghostaux-linux-amd64.cdx.json || fail "the SBOM lacks $module"
  grep -q "^== $module " THIRD-PARTY-LICENSES || fail "the licences lack $module"
done
for arch in amd64 arm64; do
  grep -q '"purl": "pkg:npm/jsmpeg-player@[0-9.]*"' "ghostaux-linux-$arch.cdx.json" || fail "the SBOM for $arch lacks the console's packages"
done
[ "$(grep -c '"purl": "pkg:npm/' ghostaux-linux-amd64.cdx.json)" = "$(grep -c '^== .*\.LICENSE\.txt ==' THIRD-PARTY-LICENSES)" ] ||
  fail "the SBOM and the licences have different packages of the console"

step "man page and completions"
mandoc -T lint -W warning ghostaux.1
shellcheck -s bash ghostaux.bash
zsh -n ghostaux.zsh
fish --no-execute ghostaux.fish
echo "all is well"
