# Every target does its own set-up: `.ci/environment.py` makes the environment it needs and says what it installs.
# A second run finds the environment and is quick. Nothing else than make and Python 3.10+ has to be there.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-hub test-hub5 test-browser test-cluster cluster-up cluster-down cluster-shell \
	conformance benchmarks benchmarks-cluster lint format docs build clean distclean

# The first interpreter that is new enough; `make PYTHON=...` overrides it.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo "$$p" && break; done)
ifeq ($(strip $(PYTHON)),)
$(error Python 3.10 or newer is needed; on Debian or Ubuntu: sudo apt-get install python3 python3-venv)
endif

environment = $$($(PYTHON) .ci/environment.py $(1))
# The catalogue of small sessions that every checkpointing tool is measured with; it is kept beside the checkout.
CONFORMANCE ?= $(wildcard ../shared/conformance)
ARGS ?=

help:  ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo:  ## A hub, a user, a notebook; resize the server and show what became of every variable (ARGS=--keep)
	@env=$(call environment,demo); PATH="$$env/bin:$$PATH" "$$env/bin/python" -m elastic_spawner.demo $(ARGS)

test:  ## All tests: linters, JupyterHub 5.5 and 6, browser, conformance, Kubernetes
	@.ci/test

test-unit:  ## The tests that start no hub and no browser
	@env=$(call environment,main); PATH="$$env/bin:$$PATH" "$$env/bin/python" -m pytest \
		-m "not hub and not browser and not conformance and not cluster" $(ARGS)

test-hub:  ## The tests with a real JupyterHub 6
	@env=$(call environment,main); PATH="$$env/bin:$$PATH" "$$env/bin/python" -m pytest -m "hub and not browser" $(ARGS)

test-hub5:  ## The same with JupyterHub 5.5
	@env=$(call environment,hub5); PATH="$$env/bin:$$PATH" "$$env/bin/python" -m pytest -m "hub and not browser" $(ARGS)

test-browser:  ## JupyterLab in a real Chromium through a move
	@env=$(call environment,main); PATH="$$env/bin:$$PATH" "$$env/bin/python" -m pytest tests/browser $(ARGS)

test-cluster:  ## Sessions on a real Kubernetes, which is built (once) and started; KUBECONFIG= takes another one
	@env=$(call environment,main); PATH="$$env/bin:$$PATH" "$$env/bin/python" -m pytest tests/cluster -m cluster $(ARGS)

cluster-up:  ## Start that Kubernetes, or bring its images up to date; prints its kubeconfig
	@env=$(call environment,main); PATH="$$env/bin:$$PATH" "$$env/bin/python" -m tests.cluster.machine up

cluster-down:  ## End it
	@env=$(call environment,main); "$$env/bin/python" -m tests.cluster.machine down

cluster-shell:  ## A shell with kubectl, helm and ctr for it
	@env=$(call environment,main); "$$env/bin/python" -m tests.cluster.machine shell

conformance:  ## The catalogue's and the notebooks' verdicts as a table
	@test -n "$(CONFORMANCE)" || { echo "no catalogue: ../shared/conformance is not there; give CONFORMANCE=folder" >&2; exit 1; }
	@env=$(call environment,conformance); "$$env/bin/python" -m tests.conformance.run "$(CONFORMANCE)" $(ARGS)

benchmarks:  ## Measure savings, restores and overhead in real kernels; writes docs/benchmarks.md (ARGS="--only frames")
	@env=$(call environment,benchmarks); CONFORMANCE="$(CONFORMANCE)" "$$env/bin/python" -m benchmarks $(ARGS)

benchmarks-cluster:  ## Measure moves, evictions and resizes on the tests' Kubernetes, beside plain KubeSpawner
	@env=$(call environment,main); PATH="$$env/bin:$$PATH" "$$env/bin/python" -m benchmarks.cluster $(ARGS)

conformance-matrix:  ## The same on Python 3.10 to 3.14 with older and newer libraries
	@test -n "$(CONFORMANCE)" || { echo "no catalogue: ../shared/conformance is not there; give CONFORMANCE=folder" >&2; exit 1; }
	@pythons=; for name in conformance-3.10 conformance conformance-3.12 conformance-3.13 conformance-3.14; do \
		if env=$(call environment,$$name); then pythons="$$pythons --python $$env/bin/python"; \
		else echo "==== NOT RUN: $$name" >&2; fi; done; \
	env=$(call environment,conformance); "$$env/bin/python" -m tests.conformance.run "$(CONFORMANCE)" $$pythons $(ARGS)

lint:  ## ruff and mypy
	@env=$(call environment,main); "$$env/bin/ruff" check . && "$$env/bin/ruff" format --check . && "$$env/bin/mypy"

format:  ## Let ruff format the code
	@env=$(call environment,main); "$$env/bin/ruff" check --fix . ; "$$env/bin/ruff" format .

build:  ## Wheel and source archive in dist/
	@env=$(call environment,main); "$$env/bin/python" -m build

clean:  ## Remove what tests and builds left in the tree
	@rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/browser/screenshots
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## Remove this checkout's environments too
	@$(PYTHON) .ci/environment.py --clean
	@rm -rf .venv
