SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -X github.com/bulkhead-dev/bulkhead/internal/cli.Version=$(VERSION)
FUZZTIME ?= 20s
BENCH    ?= .
TIMEOUT  ?= 20m

# make bench BENCH_SIZES=S,peers,M,L,XL BENCH_FLAGS=-write measures everything: hours.
BENCH_SIZES ?= S,M
BENCH_FLAGS ?=

# Tests build much garbage and live for minutes: a third of their time goes when less of it is
# collected. The limit keeps that from filling a small machine; bench measures without.
export GOGC       ?= 400
export GOMEMLIMIT ?= 3GiB
bench: export GOGC = 100

# What a user has set for Git is no part of tests, nor the repository that a hook runs in.
test raced hermetic differential corpora: export GIT_CONFIG_GLOBAL = /dev/null
test raced hermetic differential corpora: export GIT_CONFIG_NOSYSTEM = 1
unexport GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX

# Tools are built into .bin from tools/go.mod, and again when it or Go changes.
TOOLS := .bin/.built-$(shell go env GOVERSION)
LINT  := .bin/golangci-lint

# The root folders: a pure library, tested with the network cut off.
PURE = $$(go list ./... | grep -v -e /internal/ -e /cmd/ -e /test/)

# Tests that compare with upstream on much data: they cost minutes under the race detector.
UPSTREAM = Corpora|CommitPairs|CasesLikeUpstream

# The longest of them has half of their work, and runs beside the others: kustomize has one schema for a whole process.
LONGEST = ^TestLikeUpstreamOnCorpora$$

# Folders that start goroutines, or whose tests do: the race detector tests them. internal/archtest holds the lists.
# Those of the root folders run once more without it, and there with every round of their laws: -short draws a fifth.
RACED      = /internal/cache /internal/cache/bucket /internal/fetch /internal/fleetcase /internal/git /internal/sandbox
RACED_PURE = /isolation/policy /isolation/verdict /render /tree
UNRACED    = $$(go list ./internal/... ./cmd/... $(RACED:%=| grep -v %$$))

# Lint vets. An order by chance also keeps old results from being taken for new ones.
TEST = go test -vet=off -shuffle=on -timeout $(TIMEOUT)

# What needs the lab says so where there is none, and is no failure.
ON_LINUX = if [ "$$(go env GOOS)" != linux ]; then echo "==> $@: SKIPPED, the lab runs on Linux"; exit 0; fi
E2E_FLAGS ?= # -short leaves out public fleets, and cases of charts, registries and buckets
E2E_LOG ?= $(CURDIR)/.bin/e2e.log

# Digest of every file that Git tracks or would track.
SNAPSHOT = git ls-files -co --exclude-standard -z | xargs -0 sha256sum 2>/dev/null || true

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## build bulkhead and play the incident it is there to stop
	@echo "==> demo: bulkhead demo"
	@./bin/bulkhead demo

build: ## build ./bin/bulkhead
	@echo "==> build: ./bin/bulkhead $(VERSION) (the first build takes minutes)"
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/bulkhead ./cmd/bulkhead

test: ## all tests that need no lab: random order, expected outputs, race detector, then hermetic
	@$(MAKE) --no-print-directory raced
	@echo "==> test: go test, the other folders of internal and cmd"
	@$(TEST) -skip '$(UPSTREAM)' $(UNRACED)
	@$(MAKE) --no-print-directory hermetic

raced: ## test what starts goroutines with the race detector; most of render is one after the other, so the rest runs beside it
	@echo "==> raced: go test -race $(RACED:/%=%), -short $(RACED_PURE:/%=%)"
	@go build -race $(RACED:%=.%) $(RACED_PURE:%=.%); code=0; \
	$(TEST) -race -short -skip '$(UPSTREAM)' $(RACED_PURE:%=.%) & half=$$!; \
	$(TEST) -race $(RACED:%=.%) || code=1; \
	wait $$half || code=1; exit $$code

hermetic: ## test the root folders with no network, where unshare is allowed, but for what differential runs
	@cut="unshare -rn"; if ! $$cut true 2>/dev/null; then \
		echo "==> hermetic: SKIPPED, 'unshare -rn' does not work here: with the network"; cut=; fi; \
	echo "==> hermetic: $$cut go test"; \
	go list -test -deps $(PURE) >/dev/null; \
	GOPROXY=off $$cut $(TEST) -skip '$(UPSTREAM)' $(PURE)

differential: ## compare with upstream's own pipeline on the corpora, without the race detector (skipped where there are none)
	@echo "==> differential: go test -run '$(UPSTREAM)' ./render ./impact"
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; code=0; \
	say() { grep -E '^(ok|FAIL|PASS|panic:)|--- (FAIL|SKIP)|_test.go' || true; }; \
	go test -vet=off -c -o "$$dir/render.test" ./render; \
	(cd render && "$$dir/render.test" -test.v -test.run '$(LONGEST)' -test.timeout $(TIMEOUT)) >"$$dir/log" 2>&1 & half=$$!; \
	go test -vet=off -count=1 -v -run '$(UPSTREAM)' -skip '$(LONGEST)' -timeout $(TIMEOUT) ./render ./impact 2>&1 | say || code=1; \
	wait $$half || code=1; say <"$$dir/log"; exit $$code

corpora: ## causes and concerns of every change of the corpora, some of them in parts, and what assess says of them: minutes, and no part of check (skipped where there are none)
	@echo "==> corpora: go test -run Corpora ./impact/cause ./impact/concern ./layout/adopt ./isolation/survey ./internal/cli"
	@go test -count=1 -run Corpora -timeout $(TIMEOUT) ./impact/cause ./impact/concern ./layout/adopt ./isolation/survey ./internal/cli

lab: ## build the programs of the lab: Kubernetes, Flux, Gitea, a server of buckets (once, 10 to 25 minutes)
	@$(ON_LINUX); echo "==> lab: go run ./lab/cmd/lab build --forge --s3"; \
	go run -C test ./lab/cmd/lab build --forge --s3

e2e: lab ## play all cases and the public fleets on real controllers, and test the lab itself
	@$(ON_LINUX); echo "==> e2e: go test ./lab ./ci ./e2e"; \
	mkdir -p $(dir $(E2E_LOG)); cd test && go test -count=1 -timeout $(TIMEOUT) ./lab; \
	go test -count=1 -tags e2e -run '^TestActionOnAForge$$' -timeout $(TIMEOUT) ./ci; \
	set +e; go test -count=1 -tags e2e -timeout 40m -skip '^TestCharts$$' $(E2E_FLAGS) -v ./e2e >$(E2E_LOG) 2>&1; code=$$?; \
	grep -E '^(ok|FAIL|panic:)|^ *--- FAIL|_test.go:[0-9]+:|differences=|SKIPPED' $(E2E_LOG) | grep -v 'differences=0' ; \
	echo "    $$(grep -c 'differences=0' $(E2E_LOG)) clusters equal; the log is $(E2E_LOG)"; exit $$code

deploy: ## run the scripts of deploy/ and examples/ with the real program; e2e runs the action on a real forge
	@echo "==> deploy: go test ./ci ./bench"; cd test && go test -count=1 -timeout $(TIMEOUT) ./ci && go test -timeout $(TIMEOUT) ./bench

browser: ## open the HTML page in headless Chromium (skipped where there is none)
	@echo "==> browser: go test -tags browser ./browser"; mkdir -p .bin; code=0; \
	(cd test && go test -count=1 -tags browser -timeout $(TIMEOUT) -v ./browser) >.bin/browser.log 2>&1 || code=$$?; \
	grep -E '^(ok|FAIL|panic:)|--- FAIL|_test.go:[0-9]+:|SKIPPED' .bin/browser.log || true; exit $$code

charts: lab ## install public charts, from the Go module proxy, on real controllers
	@$(ON_LINUX); echo "==> charts: go test -run TestCharts ./e2e"; cd test && go test -count=1 -tags e2e -timeout 40m -run '^TestCharts$$' ./e2e

golden: ## rewrite the expected outputs; then read the diff
	@echo "==> golden: UPDATE=1 go test ./..."
	@UPDATE=1 go test -count=1 -timeout $(TIMEOUT) ./...

fuzz: ## run each fuzz target for FUZZTIME (20s)
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's/:func /:/' | sort | \
	while IFS=: read -r file name; do \
		echo "==> fuzz: $$name in $$(dirname "$$file") for $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
	done

bench: ## run the benchmarks that match BENCH (all), then measure fleets of BENCH_SIZES (S,M), upstream beside us
	@echo "==> bench: go test -bench '$(BENCH)'"
	@go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./...
	@$(MAKE) --no-print-directory bench-fleets

bench-fleets: build ## the second half of bench alone; BENCH_FLAGS=-write writes docs/explain/performance.md
	@echo "==> bench-fleets: go run ./bench -sizes $(BENCH_SIZES) $(BENCH_FLAGS)"
	@go run -C test ./bench -sizes $(BENCH_SIZES) $(BENCH_FLAGS)

generate: ## rewrite the generated files
	@echo "==> generate: go generate ./..."
	@go generate ./...

generate-check: ## fail when generate would change a file
	@before=$$($(SNAPSHOT)); \
	$(MAKE) --no-print-directory generate; \
	after=$$($(SNAPSHOT)); \
	if [ "$$before" != "$$after" ]; then \
		echo "==> generate-check: these files are out of date; run 'make generate' and commit them:"; \
		diff <(echo "$$before") <(echo "$$after") | awk '/^[<>]/{print "  " $$3}' | sort -u; exit 1; fi

fmt: $(TOOLS) ## format the code (gofumpt, grouped imports)
	@echo "==> fmt: golangci-lint fmt"
	@$(LINT) fmt

fmt-check: $(TOOLS) ## fail when fmt would change a file
	@echo "==> fmt-check: golangci-lint fmt --diff"
	@$(LINT) fmt --diff

lint: $(TOOLS) ## run the linters of .golangci.yml, over both modules
	@echo "==> lint: golangci-lint run ./..."
	@$(LINT) run ./...
	@cd test && ../$(LINT) run --config ../.golangci.yml --build-tags e2e,browser ./...

vuln: .bin/govulncheck ## look for known vulnerabilities; needs the network, so it is not part of check
	@echo "==> vuln: govulncheck ./... (asks vuln.go.dev)"
	@.bin/govulncheck ./...

tools: $(TOOLS) ## build the pinned tools into .bin

check: ## everything CI runs: fmt-check, lint, test, differential, generate-check, deploy, browser, e2e
	@for step in fmt-check lint test differential generate-check deploy browser e2e; do \
		start=$$SECONDS; \
		$(MAKE) --no-print-directory $$step E2E_FLAGS=-short; \
		echo "==> $$step: ok, $$((SECONDS - start)) s"; \
	done

clean: ## remove what was built
	@echo "==> clean: bin .bin"
	@rm -rf bin .bin

$(TOOLS): tools/go.mod tools/go.sum
	@echo "==> tools: building golangci-lint and gofumpt (once, some minutes)"
	@mkdir -p .bin && rm -f .bin/.built-*
	@go build -C tools -buildvcs=false -o ../.bin/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint mvdan.cc/gofumpt
	@touch $@

.bin/govulncheck: tools/go.mod tools/go.sum
	@echo "==> tools: building govulncheck"
	@go build -C tools -buildvcs=false -o ../.bin/ golang.org/x/vuln/cmd/govulncheck
	@touch $@

.PHONY: help demo build test raced hermetic differential corpora lab e2e deploy browser charts golden fuzz bench bench-fleets generate generate-check fmt fmt-check lint vuln tools check clean
