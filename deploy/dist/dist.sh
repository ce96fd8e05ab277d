#!/bin/sh
# Makes dist/: static binaries for amd64 and arm64, Debian packages with man page and shell completions, an SBOM for each binary, and
# SHA256SUMS. The same commit gives the same bytes: every time stamp is the commit's. `dist.sh VERSION [DIRECTORY]`.
set -eu

version=$1
out=${2:-dist}
cyclonedx=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH CGO_ENABLED=0
umask 022

rm -rf "$out"
mkdir -p "$out/tree"
help=$(mktemp)
trap 'rm -rf "$help" "$out/tree"' EXIT

# Debian's versions begin with a digit and have no dashes in what comes before the revision.
deb_version=$(printf %s "$version" | sed 's/^v//; s/-/+/g; s/^[^0-9]/0+&/')

for arch in amd64 arm64; do
  binary=$out/ghostaux-linux-$arch
  GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$binary" ./cmd/ghostaux
  go run "$cyclonedx" bin -json -noserial -version "$version" -output "$binary.cdx.json" "$binary" 2>/dev/null
  # The tool notes when it ran.
  sed -i "s/\"timestamp\": \"[^\"]*\"/\"timestamp\": \"$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)\"/" "$binary.cdx.json"
done
GOOS=linux GOARCH=arm64 go vet ./cmd/... ./pkg/... ./services/...
go run ./deploy/dist/reference -version "$version" -date "@$SOURCE_DATE_EPOCH" "$out/tree"

for arch in amd64 arm64; do
  root=$out/tree/root-$arch
  install -Dm755 "$out/ghostaux-linux-$arch" "$root/usr/bin/ghostaux"
  install -Dm644 "$out/tree/ghostaux.1" "$root/usr/share/man/man1/ghostaux.1"
  gzip -9n "$root/usr/share/man/man1/ghostaux.1"
  install -Dm644 "$out/tree/ghostaux.bash" "$root/usr/share/bash-completion/completions/ghostaux"
  install -Dm644 "$out/tree/ghostaux.zsh" "$root/usr/share/zsh/vendor-completions/_ghostaux"
  install -Dm644 "$out/tree/ghostaux.fish" "$root/usr/share/fish/vendor_completions.d/ghostaux.fish"
  install -Dm644 deploy/startup/ghostaux.sh "$root/usr/share/ghostaux/ghostaux.sh"
  install -Dm644 LICENSE "$root/usr/share/doc/ghostaux/copyright"
  mkdir -p "$root/DEBIAN"
  cat > "$root/DEBIAN/control" <<CONTROL
Package: ghostaux
Version: $deb_version
Architecture: $arch
Maintainer: The ghostaux authors <ghostaux@localhost>
Section: net
Priority: optional
Recommends: ffmpeg, pulseaudio
Suggests: printer-driver-cups-pdf, pcscd, vsmartcard-vpcd
Description: sound, microphone, upload, gamepad, printer and smart card for a desktop in a container
 One static binary, one process, in place of the six helper programs of
 Kasm-style desktop images.
CONTROL
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz -b "$root" "$out/ghostaux_${deb_version}_$arch.deb" >/dev/null
done
cp "$out/tree/ghostaux.1" "$out/tree/ghostaux.bash" "$out/tree/ghostaux.zsh" "$out/tree/ghostaux.fish" "$out/"
(cd "$out" && sha256sum -- *.deb ghostaux-* ghostaux.* > SHA256SUMS)
