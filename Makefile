# futon: new users need `make demo` and `make test`; `make help` lists all commands.
SHELL := /bin/sh
# The caller's Rust if it is new enough, else futon's own in .rust/.
CARGO ?= $(CURDIR)/scripts/cargo
TARGET := x86_64-unknown-linux-gnu
BIN := target/$(TARGET)/release
FUTON := $(BIN)/futon
# What `programs` builds; the tests add themselves, so that nothing is compiled twice.
BUILD ?= --bins

RESOURCES ?= resources
WORKING_DIR ?= test_dir
export RESOURCES WORKING_DIR CARGO
# Debian's chroot, mke2fs and others are not in ordinary users' PATH; a caller may have no PATH at all.
export PATH := $(if $(PATH),$(PATH):)/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin

.PHONY: help dist dist-test workflows differential setup setup-tests programs lean resources images images-all demo test test-fast fuzz bench study fresh soak lint build run check shell clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing on this machine (the only step that may need root)
	@sh scripts/setup.sh

# What only tests need, too.
setup-tests:
	@sh scripts/setup.sh tests

programs: ## Build futon, its guest tools and the test client
	@sh scripts/say.sh "building futon (first time: a few minutes)"
	@$(CARGO) build --release --locked $(BUILD)

lean: programs ## Build the lean guest: kernel and initramfs
	@$(FUTON) resources build kernel lean

resources: programs ## Build base image, kernel, initrd and guest tools
	@$(FUTON) resources build

images: programs resources ## Build the images of functions.list
	@$(FUTON) images build

images-all: programs resources ## Build the images of all sample functions, and of the fault tests
	@$(FUTON) images build --all
	@$(FUTON) images build fault-go

demo: setup ## Everything, from setup to three functions tested in real virtual machines
	@$(MAKE) --no-print-directory images
	@sh scripts/say.sh "testing three functions, each in a virtual machine of its own"
	@$(FUTON) test fibonacci-go fibonacci-python fibonacci-nodejs

test: setup-tests ## All checks and tests, real virtual machines included
	@$(MAKE) --no-print-directory BUILD="--workspace --bins --tests" images-all lean
	@sh scripts/test.sh

test-fast: programs ## Tests without virtual machines
	@$(FUTON) resources build compose
	@$(CARGO) test --release --locked --workspace

differential: programs resources ## Compare futon's answers with those of the engine in the guest, all cases
	@$(CARGO) test --release --locked --no-fail-fast -p differential -- --include-ignored --nocapture --test-threads=1

fuzz: ## Hostile input for everything that reads untrusted data: SECONDS for each target (20)
	@sh scripts/fuzz.sh $(SECONDS)

bench: images-all ## Compare the documented flow, futon --cold and futon's forks (bench/out)
	@python3 bench/flows.py --suite

study: images lean ## Measure the sample functions on gem5: warm, lukewarm, interleaved; one page with intervals (runs/study); an hour
	@sh bench/study.sh

fresh: ## make demo (FRESH=test: make test, too) in bare roots of Debian 12 and 13; needs root, takes an hour
	@sh scripts/fresh.sh

dist: programs ## Make what users install: a tarball and a Debian package, in target/dist
	@sh scripts/dist.sh

dist-test: dist images ## Install the package in bare roots of Debian 12 and 13, and test an image with it; needs root
	@sh scripts/dist-test.sh

workflows: ## Run the steps of the cheap jobs of .github/workflows, exactly as written, in a bare Debian root; needs root
	@sh scripts/workflows.sh

soak: images-all ## 10,000 fake runs, 1,000 forks, then faults at random moments: nothing may be left behind; takes hours
	@sh bench/soak.sh
	@sh bench/faults.sh

lint: ## Formatting, clippy, shellcheck
	@sh scripts/lint.sh

build: programs ## Make a working directory (IMAGE_NAME=<function> make build)
	@test -n "$(IMAGE_NAME)" || { echo "error: IMAGE_NAME is not set" >&2; echo "hint: IMAGE_NAME=fibonacci-go make build" >&2; exit 2; }
	@$(FUTON) build "$(IMAGE_NAME)"

run: ## Run the test of the working directory
	@$(FUTON) run

check: ## Check the results in the working directory
	@$(FUTON) check

shell: programs ## Open the guest's console
	@$(FUTON) shell

clean: ## Remove working directories and runs (resources stay)
	rm -rf test_dir runs
