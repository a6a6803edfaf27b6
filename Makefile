# Everything a person types in this repository. Needs git, make and Python 3.11 or newer with venv; no root.

# The system's python3 if it is new enough, else the newest that is; name another with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
BENCH ?= full
TESTS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test check format docs bench lock clean
.DELETE_ON_ERROR:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.setup ## make .venv with the server and its demo; the command is then .venv/bin/linarite

setup-dev: $(VENV)/.setup-dev ## the same, with everything that tests and checks need

demo: setup ## set up, run the main job through all four protocols, show what came out
	@$(BIN)/linarite demo

test: setup-dev ## set up and run the tests; TESTS="tests/engine -k retry" picks some
	@sh tests/left_out.sh
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 $(TESTS)

check: setup-dev ## format, lint, types, arrows between packages, no names of one machine
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run 'make format'."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@sh .ci/no_machine_names

format: setup-dev ## format the code and mend what the linter can
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

docs: setup-dev ## write the pages of docs/ that are made from the code
	@$(BIN)/python -m tests.pages

bench: setup ## measure speed against this machine's own limits; BENCH=short takes seconds, BENCH="full million" is one
	@$(BIN)/python -m benchmarks $(BENCH)

# A lock names no index: pip takes the packages from wherever this machine is told to.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links
CLIENTS := tests/clients/drivers/locks
lock: setup-dev ## write requirements/ anew from pyproject.toml; UPGRADE=--upgrade takes newer releases
	@$(LOCK) $(UPGRADE) pyproject.toml --extra demo --output-file requirements/runtime.txt
	@$(LOCK) $(UPGRADE) pyproject.toml --extra dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	@for client in $(CLIENTS)/*.in; do $(LOCK) $(UPGRADE) $$client --output-file $${client%.in}.txt; done

clean: ## remove .venv and everything else that was made here
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Linarite needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || echo missing)." \
		"Name another: make PYTHON=/path/to/python3 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments: install its venv package (on Debian and Ubuntu: python3-venv)."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.setup: pyproject.toml requirements/runtime.txt | $(BIN)/python
	@echo "Setting up $(VENV): this takes a minute, once."
	@$(PIP) install --require-hashes --no-deps -r requirements/runtime.txt
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.setup-dev: pyproject.toml requirements/dev.txt | $(BIN)/python
	@echo "Setting up $(VENV) for development: this takes a minute, once."
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.txt
	@$(PIP) install --no-deps -e .
	@touch $(VENV)/.setup $@
