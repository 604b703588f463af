# What a developer runs. It takes Go, make, git and bash; scripts/need and scripts/servers get the rest on Debian.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.8.0
GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)

# Programs that the tests use. With NONSTICK_TEST_CONTAINERS=1 the servers run in containers instead, except for those of
# make demo-fallback, which are children of its program.
NEEDED := gcc chromium
DEMO_SERVERS := redis-7.0 mariadb-10.11
SERVERS := scripts/servers $(if $(filter 1,$(NONSTICK_TEST_CONTAINERS)),$(DEMO_SERVERS))

# The folders of all modules, as go.work lists them.
MODULES = $(shell go list -m -f '{{.Dir}}')

# Flags for the program of make demo or make demo-fallback, or more of them for the benchmarks of make microbench.
ARGS ?=
# A remark on the machine for the tables of make bench.
NOTE ?=
# How often make race runs each test.
COUNT ?= 3
# How long make fuzz runs each function.
export FUZZTIME ?= 10s
# For how long make soak lets faults happen one after the other, and how many runs of each simulation it has.
SOAK ?= 10m
SEEDS ?= 100000

.PHONY: help demo demo-fallback test race lint fmt fuzz soak alone tidy vuln bench bench-quick microbench stats clean needed

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | while IFS=$$'\t' read -r t d; do printf '  make %-13s %s\n' "$$t" "$$d"; done

demo: ## Run three frameworks behind a balancer, sharing one session: ARGS='-store redis://localhost:6379'
	go build -o bin/loadbalanced ./examples/loadbalanced
	exec bin/loadbalanced $(ARGS)

demo-fallback: ## Kill Redis and MariaDB on a web page while visitors check every answer: ARGS='-visitors 100 -rate 300'
	scripts/servers $(DEMO_SERVERS)
	go build -o bin/demo-fallback ./examples/fallback
	exec bin/demo-fallback $(ARGS)

test: needed ## Run all tests of all modules with the race detector; installs what they need
	go run ./scripts/gotest -race

race: needed ## Run all tests COUNT times (3) in random order with the race detector
	go run ./scripts/gotest -race -shuffle=on -count=$(COUNT)

lint: $(GOLANGCI) ## Check format, vet, modern Go, house rules, independence of modules, and golangci-lint
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted (make fmt):" $$unformatted >&2; exit 1; }
	go vet work
	go fix -diff work
	go run ./scripts/structure
	go run ./scripts/guard
	$(GOLANGCI) run $(addsuffix /...,$(MODULES))

fmt: ## Format all Go files and let go fix modernize them
	gofmt -w .
	go fix work

fuzz: ## Run each Fuzz function of each module for FUZZTIME (10s)
	scripts/fuzz

soak: needed ## Measure the fallback under load, then let faults happen for SOAK (10m), then simulate SEEDS (100000)
	SOAK=$(SOAK) go test -count=1 -timeout=0 -parallel=1 -v -run 'TestLoad|TestCost' ./integration/fallback
	SOAK=$(SOAK) go test -count=1 -timeout=0 -v -run 'TestNemesis' ./integration/fallback
	SOAK=$(SOAK) go test -count=1 -timeout=0 -race -skip 'TestLoad|TestCost|TestNemesis' ./integration/fallback
	SEEDS=$(SEEDS) go test -count=1 -timeout=0 -run TestSimulation ./backends/fallback

alone: ## Tidy check and vet each module without the workspace, and test those that have users
	for m in $(MODULES); do echo "$$m"; (cd "$$m"; export GOWORK=off; go mod tidy -diff; go vet ./...); done
	go run ./scripts/gotest -alone

tidy: ## Tidy each go.mod
	for m in $(MODULES); do (cd "$$m"; GOWORK=off go mod tidy); done

vuln: ## Look for known vulnerabilities; needs the Go vulnerability database
	for m in $(MODULES); do echo "$$m"; (cd "$$m"; GOWORK=off go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...); done

bench: needed ## Measure all variants and peers side by side: 10 minutes, writes docs/bench and tables of README.md; NOTE='what else ran'
	go build -o bin/nonstick-bench ./bench
	bin/nonstick-bench -within 12m -out docs/bench -papers . -note "$(NOTE)"

bench-quick: needed ## The same, rougher, in a minute: writes bin/bench
	go build -o bin/nonstick-bench ./bench
	bin/nonstick-bench -rounds 1 -each 100ms -sessions 1000

microbench: needed ## Run all functions Benchmark; ARGS='-count 10' for benchstat
	go test -run '^$$' -bench . -benchmem -timeout 0 $(ARGS) work

stats: ## Print how long files, functions and adapters are
	go run ./scripts/structure -stats

clean: ## Remove what make built
	rm -rf bin

needed:
	scripts/need $(NEEDED)
	$(SERVERS)

$(GOLANGCI):
	GOBIN="$(CURDIR)/bin" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/golangci-lint $@
