#!/bin/sh
# Makes dist/: static binaries for amd64 and arm64, Debian packages with man page and shell completions, an SBOM for each binary, the
# licences of what is in them, and SHA256SUMS. The same commit gives the same bytes: every time stamp is the commit's.
# `dist.sh VERSION [DIRECTORY]`; check.sh looks at the result.
set -eu

version=$1
out=${2:-dist}
cyclonedx=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH CGO_ENABLED=0
umask 022

rm -rf "$out"
mkdir -p "$out/tree"
trap 'rm -rf "$out/tree"' EXIT

# Debian's versions begin with a digit and have no dashes in what comes before the revision.
deb_version=$(printf %s "$version" | sed 's/^v//; s/-/+/g; s/^[^0-9]/0+&/')

for arch in amd64 arm64; do
  binary=$out/ghostaux-linux-$arch
  GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$binary" ./cmd/ghostaux
  go run "$cyclonedx" bin -std -json -noserial -version "$version" -output "$binary.cdx.json" "$binary" 2>/dev/null
  # The tool notes when it ran.
  sed -i "s/\"timestamp\": \"[^\"]*\"/\"timestamp\": \"$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)\"/" "$binary.cdx.json"
  [ ! -e web/dist/index.html ] || go run ./deploy/dist/sbom "$binary.cdx.json"
done
GOOS=linux GOARCH=arm64 go vet ./cmd/... ./pkg/... ./services/...
go run ./deploy/dist/reference -binary "$out/ghostaux-linux-$(go env GOHOSTARCH)" -version "$version" -date "@$SOURCE_DATE_EPOCH" "$out/tree"

# licences prints the notices of all that the binary is linked of, and of the console's scripts in it.
licences() {
  echo "ghostaux is under the Apache License 2.0. It contains the following, under the licences given with each."
  printf '\n== Go standard library ==\n\n'
  cat "$(go env GOROOT)/LICENSE"
  go version -m "$1" | awk '$1 == "dep" {print $2, $3}' | while read -r module at; do
    printf '\n== %s %s ==\n\n' "$module" "$at"
    dir=$(go list -m -f '{{.Dir}}' "$module")
    find "$dir" -maxdepth 1 \( -iname 'LICENSE*' -o -iname 'COPYING*' -o -iname 'NOTICE*' \) | LC_ALL=C sort | while read -r file; do cat "$file"; done
  done
  for file in web/dist/*.LICENSE.txt web/dist/*.LEGAL.txt; do
    [ ! -s "$file" ] || { printf '\n== %s ==\n\n' "${file##*/}"; cat "$file"; }
  done
}
licences "$out/ghostaux-linux-amd64" > "$out/THIRD-PARTY-LICENSES"

maintainer='The ghostaux authors <ghostaux@ghostaux.invalid>'
cat > "$out/tree/copyright" <<COPYRIGHT
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ghostaux

Files: *
Copyright: 2026 the ghostaux authors
License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.
Comment: The licences of the libraries in the binary are in THIRD-PARTY-LICENSES.gz beside this file.
COPYRIGHT
cat > "$out/tree/changelog" <<CHANGELOG
ghostaux ($deb_version) unstable; urgency=medium

  * Version $version.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
CHANGELOG
echo 'ghostaux: statically-linked-binary [usr/bin/ghostaux]' > "$out/tree/overrides"

for arch in amd64 arm64; do
  root=$out/tree/root-$arch
  install -Dm755 "$out/ghostaux-linux-$arch" "$root/usr/bin/ghostaux"
  install -Dm644 "$out/tree/ghostaux.1" "$root/usr/share/man/man1/ghostaux.1"
  gzip -9n "$root/usr/share/man/man1/ghostaux.1"
  install -Dm644 "$out/tree/ghostaux.bash" "$root/usr/share/bash-completion/completions/ghostaux"
  install -Dm644 "$out/tree/ghostaux.zsh" "$root/usr/share/zsh/vendor-completions/_ghostaux"
  install -Dm644 "$out/tree/ghostaux.fish" "$root/usr/share/fish/vendor_completions.d/ghostaux.fish"
  install -Dm644 deploy/startup/ghostaux.sh "$root/usr/share/ghostaux/ghostaux.sh"
  install -Dm644 "$out/tree/copyright" "$root/usr/share/doc/ghostaux/copyright"
  install -Dm644 "$out/tree/changelog" "$root/usr/share/doc/ghostaux/changelog"
  install -Dm644 "$out/THIRD-PARTY-LICENSES" "$root/usr/share/doc/ghostaux/THIRD-PARTY-LICENSES"
  gzip -9n "$root/usr/share/doc/ghostaux/changelog" "$root/usr/share/doc/ghostaux/THIRD-PARTY-LICENSES"
  install -Dm644 "$out/tree/overrides" "$root/usr/share/lintian/overrides/ghostaux"
  mkdir -p "$root/DEBIAN"
  cat > "$root/DEBIAN/control" <<CONTROL
Package: ghostaux
Version: $deb_version
Architecture: $arch
Maintainer: $maintainer
Section: net
Priority: optional
Recommends: ffmpeg, pulseaudio
Suggests: printer-driver-cups-pdf, pcscd, vsmartcard-vpcd
Description: devices for a desktop in a container
 Sound, microphone, upload, gamepad, printer and smart card: one static binary,
 one process, in place of the six helper programs of Kasm-style desktop images.
CONTROL
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz -b "$root" "$out/ghostaux_${deb_version}_$arch.deb" >/dev/null
done
cp "$out/tree/ghostaux.1" "$out/tree/ghostaux.bash" "$out/tree/ghostaux.zsh" "$out/tree/ghostaux.fish" "$out/"
(cd "$out" && sha256sum -- *.deb ghostaux-* ghostaux.* THIRD-PARTY-LICENSES > SHA256SUMS)
