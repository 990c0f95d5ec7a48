SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Debian keeps runc and ip out of the PATH of those who are not root.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

# The same flags everywhere, and no cgo but under the race detector, so that what one target compiles serves the others.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILD := go build
STRIP := -s -w -X main.version=$(VERSION)

# Tests that run for themselves, without the race detector.
UNIT = $$(go list ./... | grep -vE '/tests/(integration|bench)(/|$$)')

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOSEC := github.com/securego/gosec/v2/cmd/gosec@v2.30.0
# docs/security.md says why these rules are left out.
GOSEC_FLAGS := -quiet -exclude=G104,G115,G204,G304,G703 -exclude-generated -exclude-dir=tests -exclude-dir=actorstest -exclude-dir=journaltest
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
PROTOC_GEN_GO := google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GEN_GO_GRPC := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2

# Where "make run" keeps its state; short, as the path of a unix socket may have 107 bytes only.
DEV ?= /tmp/extactor-dev

# How often "make faults" kills, and in which order: the same seed draws the same victims.
FAULTS ?= 200
SEED ?= 1

# Where "make package" puts what it makes.
PACKAGE ?= bin/package

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what is missing to run (runc, ip), by the system's package manager
	@.ci/deps

.PHONY: deps-test
deps-test: ## install what is missing to test as well (crun, containerd, a C compiler for the race detector)
	@if [ "$$(id -u)" = 0 ]; then .ci/deps test; else .ci/deps test || echo "going on without them" >&2; fi

.PHONY: build
build: ## build bin/extactor, its shim, and the root file system of the example
	$(BUILD) -ldflags '$(STRIP)' -o bin/ ./cmd/...
	$(BUILD) -ldflags '-s -w' -o bin/rootfs/hello-world/ ./examples/hello-world

.PHONY: man
man: ## write the manual pages to bin/man
	@mkdir -p bin/man
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || date +%s)} \
	  go run -trimpath -buildvcs=false -tags man ./cmd/extactor bin/man

.PHONY: completions
completions: build ## write completions of bash, zsh and fish to bin/completions
	@mkdir -p bin/completions
	bin/extactor completion bash >bin/completions/extactor.bash
	bin/extactor completion zsh >bin/completions/_extactor
	bin/extactor completion fish >bin/completions/extactor.fish

.PHONY: package
package: build man completions ## make the .deb and the tarball in PACKAGE (bin/package)
	VERSION=$(VERSION) scripts/package bin $(PACKAGE)

.PHONY: run
run: deps build ## run a daemon with the example in the foreground, state under DEV (as root)
	@mkdir -p $(DEV)/config
	@echo "In another terminal: export EXTACTOR_SOCKET=$(DEV)/run/extactor.sock; bin/extactor status"
	bin/extactor daemon --services examples/hello-world --rootfs bin/rootfs --config $(DEV)/config \
	  --state $(DEV)/state --run $(DEV)/run --console stderr

.PHONY: demo
demo: deps build ## show a service waiting, running, being stopped and started (as root)
	@scripts/demo.sh

.PHONY: test
test: deps-test ## test everything; integration tests as root only
	@$(MAKE) --no-print-directory -j2 check race # what is compiled for one keeps a processor busy while the other waits
	@$(MAKE) --no-print-directory machine
	@if [ "$$(id -u)" = 0 ]; then \
	  $(MAKE) --no-print-directory integration compat; \
	elif [ "$${CI:-}" = true ]; then \
	  echo "FAILED: the integration tests need root, and with CI=true nothing may be skipped" >&2; exit 1; \
	else \
	  printf '\n%s\n%s\n\n' \
	    "SKIPPED: ALL INTEGRATION TESTS (tests/integration), and every test above that says SKIPPED: they need root." \
	    "         Run \"make test\" as root to run everything." >&2; \
	fi

.PHONY: check
check: ## check formatting and go vet
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs -r ls -d 2>/dev/null | xargs -r gofmt -l); \
	  if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:" $$unformatted >&2; exit 1; fi
	go vet ./...

.PHONY: race
race: ## run the unit tests with the race detector
	CGO_ENABLED=1 go test -race -timeout 8m $(UNIT)

.PHONY: machine
machine: ## walk the whole state machine, damage journals in every way, and replay whole lives, without the race detector
	go test -timeout 5m ./service ./journal ./tests/replay

SEEDS ?= 500
FROM ?= 1

.PHONY: sim
sim: ## play SEEDS seeds in virtual time from FROM on, or one with SEED and its trace, and print figures
	cd tests/sim && go test -count=1 -timeout 120m -v -run '^TestSeeds$$' -from $(FROM) -seeds $(SEEDS) $(if $(SEED),-seed $(SEED))

.PHONY: integration
integration: deps-test build ## run the tests on real containers (as root)
	EXTACTOR_BIN=$(CURDIR)/bin go test -p 1 -parallel $$(($$(nproc) + 1)) -count=1 -timeout 8m ./tests/integration/...

.PHONY: compat
compat: deps-test build ## drive a daemon over mutual TLS with Talos's own client library (as root)
	cd tests/compat && go vet ./... && EXTACTOR_BIN=$(CURDIR)/bin go test -count=1 -timeout 5m ./...

.PHONY: faults
faults: deps-test build ## kill daemon, containerd, logd and shims FAULTS times at random, by SEED, and count losses (as root)
	EXTACTOR_BIN=$(CURDIR)/bin FAULTS=$(FAULTS) SEED=$(SEED) go test -count=1 -v -timeout 60m ./tests/integration/faults

.PHONY: bench
bench: build ## measure
	go test -run '^$$' -bench . -timeout 20m ./tests/bench/... ./tests/replay

.PHONY: soak
soak: build ## let services crash and documents change thousands of times, and watch the daemon (as root)
	EXTACTOR_BIN=$(CURDIR)/bin go test -run '^$$' -bench Soak -benchtime 1x -timeout 2h ./tests/integration/daemon

.PHONY: lint
lint: check ## check, staticcheck, gosec, and the rules of the house
	go run $(STATICCHECK) ./...
	go run $(GOSEC) $(GOSEC_FLAGS) ./...
	go test ./tests/arch/...

.PHONY: vulnerabilities
vulnerabilities: ## look for known vulnerabilities (needs vuln.go.dev)
	go run $(GOVULNCHECK) ./...

.PHONY: generate
generate: ## regenerate what is generated (needs protoc)
	GOBIN=$(CURDIR)/bin/tools go install $(PROTOC_GEN_GO)
	GOBIN=$(CURDIR)/bin/tools go install $(PROTOC_GEN_GO_GRPC)
	PATH="$(CURDIR)/bin/tools:$$PATH" go generate ./...

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
