# make test is the whole test command: it installs what is missing, with apt, and
# runs everything that .ci/run does.

GO ?= go
export CGO_ENABLED ?= 0

.PHONY: all build man test tools vet unit race fuzz emulated

all: build

# The two programs, in bin/.
build:
	$(GO) build -trimpath -o bin/ ./cmd/...

# Man pages and completions for bash, zsh and fish, in build/man and
# build/completions. Their date is that of the last commit.
man:
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(GO) test -count=1 -run TestManual ./cmd/vitedge ./cmd/quantize -manual $(CURDIR)/build

test: tools vet unit race fuzz emulated
	@echo "all tests passed"

# What the tests run besides Go: emulators, brokers, disassemblers.
tools:
	.ci/tools

# Formatting, the module file, and every architecture with and without assembly.
vet:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) mod tidy -diff
	for arch in amd64 arm64 arm riscv64; do \
		echo "vet $$arch"; \
		GOARCH=$$arch $(GO) vet ./... && GOARCH=$$arch $(GO) vet -tags purego ./kernels ./vitlite || exit 1; \
	done

# On this machine, with the tools required, and the pure-Go kernels once more. The
# virtual Pi takes 4 minutes, and more beside other work.
unit:
	VITEDGE_TEST_REQUIRE=1 $(GO) test -count=1 -timeout 30m ./...
	$(GO) test -count=1 -tags purego ./kernels ./vitlite

# What starts goroutines, under the race detector.
concurrent = ./camera $(addprefix ./cmd/vitedge/internal/,link outbox pipeline publish web)
race:
	CGO_ENABLED=1 $(GO) test -race -short -count=1 -run 'Threads|Pool' ./kernels ./vitlite
	CGO_ENABLED=1 $(GO) test -race -short -count=1 $(concurrent)
	CGO_ENABLED=1 $(GO) test -race -short -count=1 -run 'Reload|Settings|HTTP|BrokerKilled' ./cmd/vitedge

# Every fuzz target, a little beyond its seeds.
fuzz:
	.ci/fuzz

# Other CPUs, emulated; each has to use the kernels meant for it.
emulated:
	.ci/emulate
