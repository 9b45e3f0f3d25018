# `make serve` and `make test` need Python 3.11 or newer and make, nothing else.

SHELL := /bin/sh
PORT ?= 8000
SUBJECTS ?= 20000
ROWS ?= 100000
IMPORT_ROUNDS ?= 1
SIZES ?= 100000 1000000
ROUNDS ?= 5
VENV := .venv
BIN := $(VENV)/bin
# The first interpreter that is new enough; PYTHON=... picks another one.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help serve test bench check format lint types contracts openapi lock clean

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/serve.stamp: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes --requirement requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/develop.stamp: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes --requirement requirements-dev.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/bench.stamp: requirements-bench.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes --requirement requirements-bench.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

serve: $(VENV)/serve.stamp  ## Serve on 127.0.0.1:8000 with demo data and a key for each role
	@$(BIN)/redblack demo load --subjects $(SUBJECTS) --keys-file var/demo-keys.json --port $(PORT)
	@$(BIN)/redblack serve --port $(PORT)

test: $(VENV)/develop.stamp  ## Run every test, on SQLite and on a PostgreSQL that they start
	$(BIN)/pytest --numprocesses 2 --dist worksteal

bench: $(VENV)/bench.stamp  ## Measure imports and checks beside peers, into bench/results.json
	$(BIN)/python -m bench.submissions --rows $(ROWS) --rounds $(IMPORT_ROUNDS)
	$(BIN)/python -m bench.checks --sizes $(SIZES) --rounds $(ROUNDS)

check: format lint types contracts test  ## Run every check: all must pass

format: $(VENV)/develop.stamp  ## Check the format of the code
	$(BIN)/ruff format --check .

lint: $(VENV)/develop.stamp  ## Check the code with every rule of ruff
	$(BIN)/ruff check .

types: $(VENV)/develop.stamp  ## Check the types, strictly
	$(BIN)/mypy

contracts: $(VENV)/develop.stamp  ## Check the direction of imports
	$(BIN)/lint-imports

openapi: $(VENV)/develop.stamp  ## Generate openapi/registry.v1.json
	$(BIN)/redblack openapi --output openapi/registry.v1.json

lock:  ## Pin the dependencies with hashes (needs uv)
	uv pip compile pyproject.toml --extra build --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements.lock
	uv pip compile pyproject.toml --extra build --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements-dev.lock
	uv pip compile pyproject.toml --extra build --extra bench --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements-bench.lock

clean:  ## Remove the environment and the demo database
	rm -rf $(VENV) var
