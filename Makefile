# What people and CI run. Each target installs what it misses (deploy/install.sh); `make help` lists them.

SHELL := /bin/bash
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/weir

# One target directory outside the checkout for every clone, and ccache before the compilers: RocksDB is compiled once.
export CARGO_TARGET_DIR ?= $(CACHE)/target
export CC := ccache gcc
export CXX := ccache g++
# For the demo, the tests and the benchmarks: the binary, and the image that containerd pulls.
export WEIR_BIN := $(CARGO_TARGET_DIR)/release/weir
export WEIR_IMAGE_DIR ?= $(CACHE)/image

# One profile for everything, so that nothing is compiled twice.
CARGO_FLAGS := --release --workspace --locked
PHASE := @deploy/phase.sh
# In all, for every fuzz target: a few minutes in CI, hours by hand with `make fuzz FUZZ_SECONDS=36000`.
TEST_FUZZ_SECONDS ?= 120
FUZZ_SECONDS ?= 3600
# Images of the synthetic fleet that `make bench` matches.
FLEET_IMAGES ?= 10000
# Where `make container` leaves the image.
CONTAINER_DIR ?= $(CACHE)/container
# Where `make screens` leaves its pictures.
SCREENS ?= $(CACHE)/screens

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build demo demo-advisory test check rules manifests container release fuzz bench image screens install-build install-run install-bench

help: ## lists the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 26

install-build: ## installs what building needs
	@deploy/install.sh build

install-run: ## installs what the demo and the tests run
	@deploy/install.sh build run

install-bench: ## installs the benchmarks' rivals and tools
	@deploy/install.sh build run bench

build: install-build ## builds weir and says where it is
	$(PHASE) build cargo build $(CARGO_FLAGS)
	@echo "weir: $(WEIR_BIN)"

image: install-run ## makes the image that demo, tests and benchmarks pull
	$(PHASE) image deploy/image/make-image.sh "$(WEIR_IMAGE_DIR)"

container: build install-run ## builds weir's container image and proves it
	$(PHASE) container deploy/container/make.sh "$(CONTAINER_DIR)"
	$(PHASE) container-proof deploy/container/prove.sh "$(CONTAINER_DIR)"

release: build install-run ## makes and verifies a whole release: VERSION=1.2.3 RELEASE_DIR=DIR
	$(PHASE) release deploy/release/release.sh "$(VERSION)" "$(RELEASE_DIR)"

demo: build image ## pulls an image through weir and prints what was found; ONCE=1 ends it
	@deploy/demo/demo.sh

demo-advisory: build install-run ## publishes an advisory and shows the finding appear without a pull
	@deploy/demo/advisory.sh

check: install-build ## the fast part of the tests: scripts, fmt, clippy, docs, unit tests, dependencies
	$(PHASE) scripts deploy/check-scripts.sh
	$(PHASE) format cargo fmt --all --check
	$(PHASE) clippy cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	$(PHASE) docs env RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --no-deps
	$(PHASE) unit-tests cargo test $(CARGO_FLAGS) --lib --quiet
	$(PHASE) dependencies deploy/check-deps.sh

rules: install-run ## checks the rules for Prometheus, and that each alert fires when it should and not else
	$(PHASE) rules promtool check rules deploy/observe/rules/weir.yaml
	$(PHASE) rules promtool test rules $(sort $(wildcard deploy/observe/tests/*_test.yaml))

manifests: build install-run ## tests the Helm chart and the plain manifests
	$(PHASE) manifests deploy/kubernetes/tests/run.sh

test: check rules build image ## everything CI runs
	$(PHASE) fuzz deploy/fuzz.sh $(TEST_FUZZ_SECONDS)
	$(PHASE) manifests deploy/kubernetes/tests/run.sh
	$(PHASE) container deploy/container/make.sh "$(CONTAINER_DIR)"
	$(PHASE) container-proof deploy/container/prove.sh "$(CONTAINER_DIR)"
	$(PHASE) release env PROGRAMS="$(CONTAINER_DIR)" deploy/release/test.sh
	$(PHASE) tests cargo test $(CARGO_FLAGS)

screens: build image ## tests the console in a browser and leaves pictures of every screen
	$(PHASE) screens env WEIR_SCREENSHOTS="$(SCREENS)" cargo test $(CARGO_FLAGS) --test e2e -- console::every_behaviour

fuzz: install-build ## runs the fuzzers long (FUZZ_SECONDS)
	$(PHASE) fuzz deploy/fuzz.sh $(FUZZ_SECONDS)

bench: build install-bench image ## measures weir beside its rivals
	$(PHASE) scan-image python3 deploy/bench/scan-image.py "$(WEIR_IMAGE_DIR)/oci" "$(CACHE)/bench-scan" "$(CACHE)/debs"
	@python3 deploy/bench/bench.py "$(WEIR_BIN)" "$(WEIR_IMAGE_DIR)/oci" "$(CACHE)/bench-scan"
	@deploy/bench/fleet.sh ../shared/advisories/osv "$(FLEET_IMAGES)"
	@deploy/bench/workloads.sh ../shared/advisories/osv
	@deploy/bench/report.sh
