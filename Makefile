# Gatekeeper for Argo CD. "make" prints what there is.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
# The program is told its commit and does not look at the checkout, so that a shallow clone builds the same.
COMMIT      ?= $(shell git rev-parse HEAD 2>/dev/null)
COMMIT_TIME ?= $(shell TZ=UTC git show -s --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ HEAD 2>/dev/null)
GOBUILD     := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.commitTime=$(COMMIT_TIME)"
# Architectures of the image.
IMAGE_ARCHS ?= amd64 arm64
# Must not be there yet: an image is never written over another.
IMAGE       ?= bin/image
# The race detector needs a C compiler.
RACE    := $(if $(shell command -v gcc || command -v clang),-race,)
# SQLite is C that was translated to Go, and works on memory of its own, which the race detector does not
# watch. Without the instrumentation of that C the tests that use it take a third of the time; the driver
# around it, and all else, keeps it.
RACEGC  := $(if $(RACE),$(foreach pkg,sqlite/lib libc memory,"-gcflags=modernc.org/$(pkg)=-race=false -d=checkptr=0"))
# Packages with tests that need the sandbox or its tools, which ask for this variable. All other tests are
# in unit. The longest begins first.
E2E     := $(sort $(patsubst %/,%,$(dir $(shell grep -rlF GATEKEEPER_E2E --include=*_test.go ./cmd ./internal ./pkg ./test))))
E2E     := ./test/e2e/scenario $(filter-out ./test/e2e/scenario,$(E2E))
# How many of them run side by side: they wait more than they work.
E2E_AT_ONCE ?= 2
# How often one that failed is run again. What that forgives, and what never, is in test/e2e/again.
AGAIN ?= 1
FUZZTIME ?= 30s

.PHONY: help
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/gatekeeper
	$(GOBUILD) -o bin/gatekeeper ./cmd/gatekeeper

.PHONY: image
image: ## Build the container image as an OCI layout in bin/image, without a container engine (needs apt and dpkg-deb)
	@for arch in $(IMAGE_ARCHS); do GOOS=linux GOARCH=$$arch $(GOBUILD) -o bin/linux-$$arch/gatekeeper ./cmd/gatekeeper; done
	@go run ./internal/packaging/mkimage build -mirror "$(MIRROR)" -snapshots "$(SNAPSHOTS)" -output $(IMAGE) -tag $(VERSION) -commit $(COMMIT) -created $(COMMIT_TIME) \
	  $(foreach arch,$(IMAGE_ARCHS),-binary $(arch)=bin/linux-$(arch)/gatekeeper)

.PHONY: image-lock
image-lock: ## Pin the newest packages of Debian's release for the image (needs apt)
	go run ./internal/packaging/mkimage lock -mirror "$(MIRROR)"

.PHONY: test
test: unit e2e ## Run every test: unit, then end to end

.PHONY: unit
unit: ## Run the unit tests, with the race detector where there is a C compiler
	@$(if $(RACE),,echo "no C compiler found: running without the race detector" >&2)
	@$(if $(wildcard /usr/lib/postgresql/*/bin/postgres)$(shell command -v postgres),,echo "no PostgreSQL server found: the tests of that store skip (apt-get install postgresql)" >&2)
	go test $(RACE) $(RACEGC) -timeout 20m ./...

.PHONY: e2e
e2e: tools ## Run the end-to-end tests against the real Argo CD, both versions (AGAIN=0: a failed one is not run again)
	GATEKEEPER_E2E=1 AGAIN=$(AGAIN) E2E_AT_ONCE=$(E2E_AT_ONCE) test/e2e/again/run $(E2E)

.PHONY: bypass
bypass: tools ## Play every known way around the gate, against it and with nothing enforced (GATEKEEPER_BYPASS: only those rows)
	GATEKEEPER_E2E=1 GATEKEEPER_BYPASS_OPEN=1 go test -count=1 -timeout 30m ./test/e2e/bypass

.PHONY: demo
demo: tools ## Play the story of one change in a real cluster, then stay up (DEMO_EXIT=1: end after it)
	go run ./test/e2e/demo

.PHONY: bench
bench: tools ## Run the benchmarks (GATEKEEPER_BENCH_DELAY_MS: added to each GitHub call, default 100)
	go test -run '^$$' -bench . -benchtime 1s ./pkg/approval/... ./pkg/history/... ./internal/inbox/... ./pkg/github/mirror/... ./pkg/github/signature/... ./internal/inspect/... ./internal/gate ./pkg/argo/admission
	go test -run '^$$' -bench CallsOfAPullRequest -benchtime 1x ./cmd/gatekeeper
	GATEKEEPER_E2E=1 go test -count=1 -run '^$$' -bench . -benchtime 30x -timeout 20m ./test/e2e/bench

.PHONY: bench-record
bench-record: ## Measure a record of a million entries: verify, export, list, append (GATEKEEPER_BENCH_ENTRIES: another size)
	GATEKEEPER_BENCH_ENTRIES="$${GATEKEEPER_BENCH_ENTRIES:-1000000}" go test -run '^$$' -bench Large -benchtime 1s -timeout 60m ./pkg/history/sqlite

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (default 30s) each
	@for pkg in $$(go list ./cmd/... ./internal/... ./pkg/... ./test/e2e/standin/... ./test/e2e/histories); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; done

.PHONY: lint
lint: ## Run golangci-lint and actionlint, built from their pinned versions
	@bin="$$(go run ./test/e2e/tools/build lint | awk '{print $$2}')/golangci-lint"; "$$bin" run --timeout 15m ./...
	@bin="$$(go run ./test/e2e/tools/build workflows | awk '{print $$2}')/actionlint"; "$$bin" -shellcheck= -pyflakes= .github/workflows/*.yml

.PHONY: fmt
fmt: ## Format the code
	gofmt -w $$(git ls-files '*.go')

.PHONY: generate
generate: ## Write the generated documentation anew
	go run ./internal/config/docgen -o docs/configuration.md
	go run ./internal/config/docgen -schema -o docs/configuration.schema.json,internal/config/configuration.schema.json

# The versions are those that test/e2e/standin/contract asserts; change them in both places.
.PHONY: contracts
contracts: ## Cut GitHub's published API descriptions down for the stand-in anew (needs npm)
	@dir="$$(mktemp -d)"; trap 'rm -rf "$$dir"' EXIT; \
	npm pack --silent --pack-destination "$$dir" @octokit/openapi@23.0.2 @octokit/openapi-webhooks@12.1.0 >/dev/null; \
	go run ./test/e2e/standin/contract/prune -out test/e2e/standin/contract \
	  -openapi "$$dir/octokit-openapi-23.0.2.tgz" -webhooks "$$dir/octokit-openapi-webhooks-12.1.0.tgz"

.PHONY: verify
verify: ## Check that generated files, formatting and go.mod are up to date
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted (make fmt)"; exit 1; fi
	go mod tidy -diff
	go run ./internal/config/docgen -check docs/configuration.md
	go run ./internal/config/docgen -schema -check docs/configuration.schema.json,internal/config/configuration.schema.json

.PHONY: tools
tools: ## Build what the tests run: Kubernetes, Argo CD, KWOK, helm, kustomize, kubectl, gh, gotestsum (minutes the first time)
	@go run ./test/e2e/tools/build kubernetes argocd3 argocd2 kwok render kubectl gh runner >/dev/null

.PHONY: clean
clean: ## Remove what was built here
	rm -rf bin
