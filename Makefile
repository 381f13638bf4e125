# Every target does its own set-up: a machine with Python 3.11+ and make is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SCENARIO ?= demo
SERVICES ?= 10000
LOCK := --quiet --no-config --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.DEFAULT_GOAL := help

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tightrope needs Python 3.11 or newer; set PYTHON=")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup: $(STAMP) ## Make the environment in .venv
	@true

demo: $(STAMP) ## Five minutes of traffic on a real control plane; KEEP=1 leaves it up
	@$(BIN)/python -m tightrope.lab.demo --scenario $(SCENARIO) $(if $(KEEP),--keep)

lab: $(STAMP) ## A control plane with Prometheus and emulated nodes, until Ctrl-C
	@$(BIN)/python -m tightrope.lab.up

lab-down: $(STAMP) ## Stop the lab that `make demo KEEP=1` left up
	@$(BIN)/python -m tightrope.lab.demo --down

programs: $(STAMP) ## Find or build the lab's programs
	@$(BIN)/python -m tightrope.lab.programs

check: $(STAMP) ## Lint, format, types, import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

test-fast: $(STAMP) ## What needs no lab, on every core
	@$(BIN)/pytest -q -n auto -m 'not lab'

test: check programs ## Everything, on the real control plane
	@$(BIN)/pytest -q -n auto -m 'not lab'
	@$(BIN)/pytest -q -n 2 --dist loadfile -m lab --ignore tests/image --ignore tests/lab/test_demo.py
	@$(BIN)/pytest -q -m lab tests/lab/test_demo.py tests/image

bench: programs ## Timings: the data plane, a replay, the decision, 10,000 services on the lab (SERVICES=1000: fewer)
	@$(BIN)/python -m tightrope.replay.bench
	@$(BIN)/python -m tightrope.lab.bench --services $(SERVICES)

crds: $(STAMP) ## Write crds/ from the API models
	@$(BIN)/python -m tightrope.api.crd crds

chart: $(STAMP) ## Write what follows from the Helm chart: its copies, deploy/, docs/values.md
	@$(BIN)/python -m tightrope.lab.chart

image: ## Build the operator's image; TAG, BASE, BASE_DIGEST and BUILDER choose (docs/image.md)
	@TAG='$(TAG)' BASE='$(BASE)' BASE_DIGEST='$(BASE_DIGEST)' BUILDER='$(BUILDER)' image/build.sh

lock: $(STAMP) ## Write image/*.txt: the versions and hashes of all that goes into the image
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "The lock is for the Python of the image: set PYTHON=python3.11")'
	@CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile $(LOCK) --output-file image/requirements.txt pyproject.toml
	@CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile $(LOCK) --output-file image/build.txt image/build.in

clean: ## Remove the environment and what was built here
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help setup demo lab lab-down programs check test-fast test bench crds chart image lock clean
