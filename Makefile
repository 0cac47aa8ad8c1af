# The two commands that a newcomer needs are `make run` and `make test`; both
# do their own set-up. `make help` lists the rest.
GO      ?= go
BIN     := bin/dyno
ARGS    ?=
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
CLI     := github.com/dynobench/dyno/internal/cli
LDFLAGS := -X $(CLI).version=$(VERSION) -X $(CLI).commit=$(COMMIT)

.PHONY: run test peers check race fuzz soak bench tuning build clean help
.DEFAULT_GOAL := build

## build: the binary, as bin/dyno (Go knows what has changed)
build: $(BIN)
.PHONY: $(BIN)
$(BIN):
	$(GO) build -ldflags '$(LDFLAGS)' -o $@ ./cmd/dyno

## run: compare every built-in engine on this machine (ARGS='…' goes to dyno run)
run: $(BIN)
	$(BIN) run $(ARGS)

## test: everything, with outside servers and, where there is a C compiler, the race detector
test: peers
	sh scripts/test.sh ./...

## peers: the outside servers and tools that the tests use (Debian packages)
peers:
	sh scripts/peers.sh

## check: format, vet, other systems, linters
check:
	test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) build ./...
	GOOS=windows $(GO) vet ./protocol/... ./results/... ./scenarios/...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./...

## race: the tests under the race detector, nothing else (needs a C compiler)
race:
	GORACE=atexit_sleep_ms=0 $(GO) test -race ./...

## fuzz: each fuzz target for FUZZTIME (default 1m)
FUZZTIME ?= 1m
fuzz:
	sh scripts/fuzz.sh $(FUZZTIME)

## soak: reloads and kills under mixed traffic for SOAK (default 10m): what the processes hold must not grow
SOAK ?= 10m
soak:
	DYNO_SOAK=$(SOAK) $(GO) test -count 1 -timeout 0 -v -run '^TestSoak$$' ./engines/enginetest

## bench: the figures that the project promises, pairs interleaved in one run (ONLY='generator|freeze': those parts)
bench: $(BIN)
	sh scripts/peers.sh bench
	$(GO) run ./scripts/figures -only '$(ONLY)' $(BIN)

## tuning: sweep the settings of every engine and write docs/tuning-results.md (ten minutes)
tuning: $(BIN)
	$(GO) run ./scripts/tuning $(BIN)

clean:
	rm -rf bin

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)
