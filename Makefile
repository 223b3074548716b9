# Headwater. `make` lists the verbs; each verb does the set-up it needs, once.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := PYTHONWARNINGS=ignore $(PYTHON) -m pip --disable-pip-version-check --quiet
PYTEST := $(PYTHON) -m pytest
SCRIPTS := .ci/run $(filter-out %.allow,$(wildcard tools/*))
NATIVE := $(shell find sfu bench -name '*.pyx' -o -name '*.pxd')
PROBES := $(shell find tests -name '*.pyx' -o -name '*.pxd')
ARGS ?=

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .setup-stamp-run .setup-stamp-native ## install packages, make .venv, build the packet core: leaves .venv/bin/headwater

build: .setup-stamp-probes ## build the packet core, the load client and the tests' probes

run: setup ## start everything in one process: http://127.0.0.1:7880 (ARGS="--workers 1 ...")
	@exec $(VENV)/bin/headwater up $(ARGS)

check: build ## format, lint, types, layers, spelling: under a minute
	tools/check $(VENV)/bin $(SCRIPTS)

test: build ## every test that needs no browser: under five minutes
	$(PYTEST) -q -m "not e2e and not slow" $(ARGS)

sim: build ## the long simulations in virtual time
	$(PYTEST) -q -m "slow and not e2e" $(ARGS) || [ $$? -eq 5 ]

fuzz: build ## mutate the fuzz corpus for SECONDS_EACH (default 20) per target
	$(PYTHON) -m tests.fuzz.fuzz --seconds $${SECONDS_EACH:-20} $(ARGS)

sanitize: build ## the native tests under ASan + UBSan, then under TSan
	tools/sanitize asan
	tools/sanitize tsan

e2e: build .setup-stamp-packages-e2e ## real processes and real browsers over loopback
	$(PYTEST) -q -m e2e $(ARGS)

bench: build ## a short run of every benchmark (ARGS=--full: the figures of the README)
	tools/bench $(ARGS)

clean: ## forget .venv, builds and stamps
	rm -rf $(VENV) build .setup-stamp*
	find sfu bench tests -name '*.so' -delete

.PHONY: help setup build run check test sim fuzz sanitize e2e bench clean

.setup-stamp-packages-%: tools/packages
	@tools/packages $*
	@touch $@

$(PYTHON): | .setup-stamp-packages-run
	@echo "making $(VENV) ..."
	@"$$(tools/find-python)" -m venv $(VENV)

# The extensions are built by the native rules below: pip would build them in a scratch directory, every time anew.
.setup-stamp-run: pyproject.toml constraints.txt | .setup-stamp-packages-run $(PYTHON)
	@echo "installing Python packages ..."
	@$(PIP) install --constraint constraints.txt setuptools cython
	@HEADWATER_EXTENSIONS=none $(PIP) install --constraint constraints.txt --no-build-isolation --editable .
	@touch $@

.setup-stamp-test: .setup-stamp-run | .setup-stamp-packages-test
	@echo "installing Python packages for tests ..."
	@HEADWATER_EXTENSIONS=none $(PIP) install --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

.setup-stamp-native: .setup-stamp-run setup.py $(NATIVE)
	@HEADWATER_EXTENSIONS=product tools/build $(PYTHON)
	@touch $@

.setup-stamp-probes: .setup-stamp-test setup.py $(NATIVE) $(PROBES)
	@HEADWATER_EXTENSIONS=all tools/build $(PYTHON)
	@touch $@ .setup-stamp-native
