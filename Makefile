# Every command of the project. `make help` lists them.
#
# Root is needed, and asked for with sudo, by `deps` (it says first what it installs) and by tests that make accounts or
# boot systems: `session`, `machines`, `e2e`. Compilers run as you.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# With -j too, `deps` comes before what needs it. cargo, npm and the test runners use all processors by themselves.
.NOTPARALLEL:

# Where packaging/build-deps puts Node.js if the system's is too old, and rustup its programs.
export PATH := $(HOME)/.cache/pilothouse/node/bin:$(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
CARGO ?= cargo
export CARGO_TARGET_DIR ?= $(CURDIR)/target
RELEASE := $(CARGO_TARGET_DIR)/release
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print)
ifneq ($(shell PATH='$(PATH)' command -v cargo-nextest),)
  RUN_TESTS := nextest run
else
  # As .config/nextest.toml says: all tests although one fails, few machines at once, emulated processors in test-all.
  RUN_TESTS := test --no-fail-fast
  export RUST_TEST_THREADS := 2
  NOT_EMULATED := -- --skip its_own_kernel --skip aarch64
endif
ifneq ($(shell id -u),0)
  AS_ROOT := sudo -E env "PATH=$$PATH"
  RUNNER := --config "target.'cfg(unix)'.runner = ['sudo', '-E']"
endif
# Packages, arguments. Built first: sudo asks once, before tests have their own process groups, where it could not.
define test_as_root
	$(CARGO) $(RUN_TESTS) --locked $(1) --no-run
	$(AS_ROOT) true
	$(CARGO) $(RUN_TESTS) --locked $(1) $(RUNNER) $(2)
endef

# The bridge that is sent to machines without one: static, beside the program that sends it.
# Option for the profile, its folder, the folder of the program.
define static_bridge
	RUSTFLAGS="-C target-feature=+crt-static -C strip=symbols" \
	  $(CARGO) build --locked $(1) -p bridge --target $(shell uname -m)-unknown-linux-gnu
	ln -f $(CARGO_TARGET_DIR)/$(shell uname -m)-unknown-linux-gnu/$(2)/pilothouse-bridge \
	  $(CARGO_TARGET_DIR)/$(3)/pilothouse-bridge.$(shell uname -m)
endef

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- what a user needs -------------------------------------------------------------------------------------------

.PHONY: run
run: deps release ## Build, and serve https://localhost:9090 until Ctrl-C (RUN="--listen ADDR:PORT" for options)
	exec $(RELEASE)/pilothouse run $(RUN)

.PHONY: test
test: unit machines e2e ## All tests: unit, booted machines, browser

.PHONY: deps
deps: ## Install what the build lacks, after asking (YES=1 does not ask)
	@packaging/build-deps build

.PHONY: test-deps
test-deps:
	@packaging/build-deps test

# --- building ----------------------------------------------------------------------------------------------------

.PHONY: release
release: web/dist/entries.json ## The optimised programs: target/release/pilothouse and pilothouse-bridge
	$(CARGO) build --release --locked -p cli -p bridge
	$(call static_bridge,--profile dist,dist,release)

.PHONY: debug
debug: web/dist/entries.json
	$(CARGO) build --locked -p cli -p bridge
	$(call static_bridge,,debug,debug)

.PHONY: web
web: web/dist/entries.json ## The interface, as the program embeds it: web/dist

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

web/dist/entries.json: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run --silent build
	@touch $@

.PHONY: run-dev
run-dev: deps debug ## Serve the interface from disk, rebuilt when it changes
	cd web && npm run --silent build -- --watch & trap "kill $$!" EXIT; \
	$(CARGO_TARGET_DIR)/debug/pilothouse run --web-dir $(CURDIR)/web/dist $(RUN)

.PHONY: man
man: debug ## Manual pages and shell completions: target/man, target/completions
	$(CARGO_TARGET_DIR)/debug/pilothouse man $(CARGO_TARGET_DIR)/man
	mkdir -p $(CARGO_TARGET_DIR)/completions
	for shell in bash zsh fish; do \
	  $(CARGO_TARGET_DIR)/debug/pilothouse completions $$shell > $(CARGO_TARGET_DIR)/completions/pilothouse.$$shell; \
	done

# --- installing --------------------------------------------------------------------------------------------------

.PHONY: install
install: ## Install what `make release` built, as root (DESTDIR=, prefix=/usr, sysconfdir=/etc, pam=debian|rpm)
	@$(INSTALL)

.PHONY: uninstall
uninstall: ## Take away what `make install` put there
	@$(INSTALL) --remove

INSTALL := built='$(RELEASE)' DESTDIR='$(DESTDIR)' prefix='$(or $(prefix),/usr)' sysconfdir='$(or $(sysconfdir),/etc)' \
  pam='$(pam)' packaging/install

# --- checking ----------------------------------------------------------------------------------------------------

.PHONY: check
check: test-deps web/dist/entries.json ## Format, lints, types, licences, docs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items --quiet
	cd web && npm run --silent check
	packaging/check-tree
	packaging/check-licences
	if command -v systemd-analyze >/dev/null; then packaging/check-units; else echo "check-units: no systemd-analyze here"; fi

.PHONY: unit
unit: test-deps web/dist/entries.json ## Tests without a booted system (those of session with sudo)
	$(CARGO) $(RUN_TESTS) --locked --workspace --exclude machines --exclude suites --exclude session
	$(call test_as_root,-p session)
	cd web && npm test --silent

.PHONY: machines
machines: test-deps debug ## Tests in booted systems (with sudo)
	$(call test_as_root,-p machines -p suites,$(NOT_EMULATED))

.PHONY: test-all
test-all: export NEXTEST_PROFILE = all
test-all: export LAB_CYCLES = 100
test-all: NOT_EMULATED =
test-all: unit machines e2e ## All of it: emulated processors, machines with kernels of their own, 1,000 kills

.PHONY: e2e
e2e: test-deps debug ## Tests in a browser (with sudo)
	$(CARGO) build --locked -p machines
	cd tests/e2e && npm ci --ignore-scripts --no-audit --no-fund && $(AS_ROOT) npm test --silent

.PHONY: screenshots
screenshots: test-deps debug ## The pictures in docs/screenshots (with sudo)
	$(CARGO) build --locked -p machines
	cd tests/e2e && npm ci --ignore-scripts --no-audit --no-fund && $(AS_ROOT) node screenshots.mjs $(CURDIR)/docs/screenshots

.PHONY: fuzz
fuzz: ## Each decoder for SECONDS (60) seconds, with cargo-fuzz
	fuzz/run $(or $(SECONDS_EACH),60)

.PHONY: bench
bench: release ## Speed and memory beside their peers, in this run
	$(CARGO) run --release --locked -p bench -- --pilothouse $(RELEASE)/pilothouse --bridge $(RELEASE)/pilothouse-bridge $(BENCH)

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
	rm -rf web/dist web/node_modules tests/e2e/node_modules
