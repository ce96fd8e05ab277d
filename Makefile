# make run     build and start ghostaux here, with everything that it needs
# make test    everything, as CI runs it: installs what the tests need, checks, unit and integration tests
# make check   the quick loop: vet, staticcheck, gofumpt, unit tests with the race detector
# make build   bin/ghostaux, static, with the console when there is npm
# make screenshots  pictures of the console in bin/screenshots, and those of the docs in docs/console
# make dist    binaries for amd64 and arm64, Debian packages, SBOM, licences and checksums
# make dist-check  makes them twice, compares the bytes, runs them (arm64 under qemu) and installs the package
# make image-check  builds both Containerfiles with buildah, on stand-ins of their bases, and uses the images (minutes, as root)
# make bench   the figures: latency, CPU, memory, throughput

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: run build console test check lint scripts unit manifests integration bench screenshots dist dist-check image-check packages clean

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GO ?= go
UNIT := ./cmd/... ./pkg/... ./services/... ./web/...
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT := mvdan.cc/gofumpt@v0.12.0

run: build
	deploy/dev/packages.sh run
	deploy/dev/run.sh $(ARGS)

build: console
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ghostaux ./cmd/ghostaux

# The console needs npm; a binary without it works, and says so on its page.
console:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web/dist/index.html; \
	else echo "npm is not here: building without the console"; fi

web/dist/index.html: web/package.json web/package-lock.json web/build.mjs $(wildcard web/src/* web/src/cards/*)
	cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run --silent build

test: packages console check scripts manifests integration

packages:
	deploy/dev/packages.sh test

check: lint unit

lint: bin/tools/staticcheck bin/tools/gofumpt
	$(GO) vet ./...
	bin/tools/staticcheck ./...
	@out=$$(git ls-files '*.go' | xargs bin/tools/gofumpt -l); [ -z "$$out" ] || { echo "gofumpt would change:"; echo "$$out"; exit 1; }

scripts:
	shellcheck .ci/run $$(git ls-files '*.sh')

# A module of its own, so that ghostaux does not depend on the types of Kubernetes.
manifests:
	cd deploy/kubernetes/check && $(GO) test -count=1 .

unit:
	$(GO) test -race $(UNIT)

integration:
	$(GO) test -timeout 40m ./integration/...

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./pkg/... ./services/...
	cd integration && $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m .

screenshots: console
	mkdir -p bin/screenshots docs/console
	$(GO) test -count=1 -run 'TestConsole(Look|Roles|Panel)$$' ./integration -screenshots $(CURDIR)/bin/screenshots
	cp bin/screenshots/{console-*,missing-1440-light,login-1440-light}.png docs/console

bin/tools/staticcheck:
	GOBIN=$(CURDIR)/bin/tools $(GO) install $(STATICCHECK)

bin/tools/gofumpt:
	GOBIN=$(CURDIR)/bin/tools $(GO) install $(GOFUMPT)

# Binaries, packages, checksums and SBOM in dist/; the same bytes every time for one commit.
dist: console
	deploy/dist/dist.sh $(VERSION)

dist-check: console
	deploy/dev/packages.sh dist
	deploy/dist/check.sh $(VERSION)

image-check:
	deploy/dev/packages.sh image
	deploy/images/check.sh $(VERSION)

clean:
	rm -rf bin dist web/node_modules
	find web/dist -mindepth 1 ! -name .gitkeep -delete
