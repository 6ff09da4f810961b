# make demo | test | check | bench: each sets up what it needs and is not there yet, and says what it does.
# make cluster | cluster-stop | cluster-test: a real Kubernetes with the driver in it. make soak: kills, power cuts and damaged requests, many of each. make reference: the file tests against another NFS server, which shows that the tests themselves are right.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# npm runs under the machine's own Node; everything else under the one that npm ci brings.
MACHINE_PATH := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/build/bin:$(PATH)

PACKAGES_NATIVE := gcc libc6-dev
PACKAGES_DEMO := $(PACKAGES_NATIVE) user-mode-linux nfs-common iproute2 kmod e2fsprogs
PACKAGES_TEST := $(PACKAGES_DEMO) git sqlite3 rsync tini
PACKAGES_SOAK := $(PACKAGES_TEST) attr make vim-tiny python3-venv postgresql
PACKAGES_REFERENCE := $(PACKAGES_TEST) nfs-kernel-server
PACKAGES_CLUSTER := $(PACKAGES_TEST) etcd-server containerd crun containernetworking-plugins busybox-static tini zstd openssl
PACKAGES_BENCH := $(PACKAGES_DEMO) nfs-ganesha nfs-ganesha-vfs

MODULES := node_modules/.package-lock.json
TYPES := src/csi/gen/csi.ts
LAUNCHER := build/bin/s3files-launcher
NATIVE := $(LAUNCHER) build/bin/fs-probe build/bin/random-io build/bin/xstate-shim.so
SOURCES = $(shell find src -name '*.ts')
CFLAGS := -O2 -Wall -Wextra -Werror
# CommonJS packages in an ES module ask for Node's own modules by `require`.
BANNER := import { createRequire } from "node:module"; const require = createRequire(import.meta.url);

.PHONY: help demo test check bench soak reference deploy image-root cluster cluster-stop cluster-test e2e-external clean setup-demo setup-test setup-check setup-bench setup-reference setup-cluster setup-external

help:
	@sed -n '1,2s/^# //p' Makefile

demo: setup-demo
	@node test/e2e/demo.ts

test: setup-test
	@scripts/run-tests.sh fast contract chart integration e2e

check: setup-check
	@scripts/run-tests.sh fast

bench: setup-bench
	@node bench/run.ts

# The long runs: 20 kills and 20 power cuts, the demo interrupted in each step, a million damaged compounds; figures go to docs/test-report.md.
soak: setup-test
	@scripts/install-packages.sh $(PACKAGES_SOAK)
	@S3FILES_KILLS=20 S3FILES_POWER_CUTS=20 S3FILES_CALLS=100 S3FILES_FUZZ=1000000 S3FILES_INTERRUPTS=13 mocha --forbid-only \
	  test/protocol/fuzz.test.ts test/e2e/crash.test.ts test/e2e/power-cut.test.ts test/e2e/failpoint.test.ts test/e2e/demo-interrupt.test.ts
	@S3FILES_FILES_EACH=50 S3FILES_RANDOM_IO=100000 mocha --forbid-only test/e2e/workloads.soak.ts
	@mocha test/integration/sync-budget.soak.ts test/sim/mutants.soak.ts
	@node test/sim/run.ts --runs 1000

reference: setup-reference
	@scripts/run-tests.sh reference

# What the chart renders: deploy/ and the golden renderings of its tests.
deploy: build/bin/helm
	@scripts/render-chart.sh .

build/bin/helm:
	@scripts/install-helm.sh

# The image's files without Docker, for tests; see Dockerfile.
image-root: $(LAUNCHER) dist/main.js
	@scripts/build-image-root.sh build/image

# A real Kubernetes with the driver in it, left running to play with; see test/e2e/cluster/README.md.
cluster: setup-cluster
	@node test/e2e/cluster/main.ts start

cluster-stop:
	@node test/e2e/cluster/main.ts stop

cluster-test: setup-cluster
	@scripts/run-tests.sh cluster-whole

# Kubernetes' own External Storage suite, on a cluster with the driver: KUBECONFIG=<file> [NETWORK_NAMESPACE=<name>] [PART=1]
e2e-external: setup-external
	@node test/e2e/cluster/external/main.ts --kubeconfig "$(or $(KUBECONFIG),$(error KUBECONFIG names the cluster))" \
	  $(if $(NETWORK_NAMESPACE),--network-namespace "$(NETWORK_NAMESPACE)") $(if $(PART),--part)

clean:
	rm -rf build dist dist.partial node_modules src/csi/gen

# What is missing is said before anything is installed or built, hence one recipe per goal and not prerequisites.
setup-demo:
	@scripts/preflight.sh npm root
	@scripts/install-packages.sh $(PACKAGES_DEMO)
	@$(MAKE) -s $(MODULES) $(TYPES) $(NATIVE) dist/main.js

setup-test:
	@scripts/preflight.sh npm root go
	@scripts/install-packages.sh $(PACKAGES_TEST)
	@$(MAKE) -s $(MODULES) $(TYPES) $(NATIVE) dist/main.js
	@scripts/install-versitygw.sh
	@scripts/install-csi-sanity.sh
	@scripts/install-helm.sh
	@scripts/install-kubeconform.sh

setup-check:
	@scripts/preflight.sh npm
	@$(MAKE) -s $(MODULES) $(TYPES)

setup-bench:
	@scripts/preflight.sh npm root
	@scripts/install-packages.sh $(PACKAGES_BENCH)
	@$(MAKE) -s $(MODULES) $(TYPES) $(NATIVE) build/bin/bench-load dist/main.js

setup-reference:
	@scripts/preflight.sh npm root
	@scripts/install-packages.sh $(PACKAGES_REFERENCE)
	@$(MAKE) -s $(MODULES) $(TYPES) build/bin/fs-probe build/bin/random-io build/bin/xstate-shim.so

setup-cluster:
	@scripts/preflight.sh npm root go
	@scripts/install-packages.sh $(PACKAGES_CLUSTER)
	@$(MAKE) -s $(MODULES) $(TYPES) $(NATIVE) dist/main.js
	@scripts/install-helm.sh
	@scripts/install-kubernetes.sh

setup-external:
	@scripts/preflight.sh npm root go
	@scripts/install-packages.sh $(PACKAGES_NATIVE) iproute2 zstd
	@$(MAKE) -s $(MODULES) $(TYPES)
	@scripts/install-external-suite.sh

$(MODULES): package.json package-lock.json
	@echo "npm: installing the packages of package-lock.json"
	@PATH="$(MACHINE_PATH)" npm ci --no-audit --no-fund --loglevel=error
	@node --version >/dev/null || { echo "npm: no Node for this machine among the packages (linux on x64 or arm64)" >&2; exit 1; }
	@touch $@

$(TYPES): proto/csi.proto scripts/generate-csi-types.mjs | $(MODULES)
	@echo "types: generating src/csi/gen from proto/csi.proto"
	@node scripts/generate-csi-types.mjs
	@touch $@

# One file per command, since a server's start is the pause that pods see; checked by `make check`, not here.
dist/main.js: $(SOURCES) package-lock.json $(TYPES) | $(MODULES)
	@echo "esbuild: building dist"
	@rm -rf dist.partial
	@esbuild src/main.ts --bundle --splitting --format=esm --platform=node --target=node24 --log-level=warning \
	  --outdir=dist.partial '--chunk-names=cli/[name]-[hash]' '--banner:js=$(BANNER)'
	@rm -rf dist && mv dist.partial dist

build/bin/s3files-launcher: $(wildcard src/launcher/*.c src/launcher/*.h)
	@echo "gcc: building $@"
	@mkdir -p $(@D)
	@gcc $(CFLAGS) -static -o $@ $(filter %.c,$^)

build/bin/fs-probe: $(wildcard test/support/fs-probe*.c)
	@echo "gcc: building $@"
	@mkdir -p $(@D)
	@gcc $(CFLAGS) -static -o $@ $^

build/bin/random-io: test/support/random-io.c
	@echo "gcc: building $@"
	@mkdir -p $(@D)
	@gcc $(CFLAGS) -static -o $@ $<

build/bin/bench-load: bench/load.c
	@echo "gcc: building $@"
	@mkdir -p $(@D)
	@gcc $(CFLAGS) -static -o $@ $<

build/bin/xstate-shim.so: test/support/xstate-shim.c
	@echo "gcc: building $@"
	@mkdir -p $(@D)
	@gcc $(CFLAGS) -fPIC -shared -fno-stack-protector -o $@ $<
