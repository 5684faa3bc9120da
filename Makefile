# The main jobs. `make help` lists them.

TOOLS = iputils-ping traceroute nmap
LAB   = iproute2 util-linux libcap2-bin python3 python3-venv
VENV  = .venv
CARGO ?= cargo

.PHONY: help demo test test-long lint bench build packages venv

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: packages ## Watch Probity at work, on a network made for it (as root: the whole of it)
	$(CARGO) build --quiet --workspace --bins
	@target/debug/demo

test: packages venv lint ## Everything CI runs
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace
	target/debug/demo

test-long: packages venv ## The same suites with their full counts: properties, and runs under the sandbox
	$(CARGO) build --workspace --all-targets
	PROPTEST_CASES=20000 $(CARGO) test --workspace --exclude probity-tests
	for round in 1 2 3 4 5; do $(CARGO) test -p probity-tests || exit 1; done

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

bench: packages ## The figures, as ratios against something in the same run
	@packaging/install-packages bubblewrap
	$(CARGO) build --quiet --release --workspace --bins
	@target/release/probity-bench

build: ## Release binaries, in target/release
	$(CARGO) build --release --workspace --bins

packages:
	@packaging/install-packages $(TOOLS) $(LAB)

# The official MCP client, which the end-to-end suite drives Probity with.
venv: $(VENV)/ready

$(VENV)/ready: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@
