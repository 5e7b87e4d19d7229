# Two commands are all that a newcomer needs: `make demo` and `make test`. Everything is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Tests and benches start hundreds of processes: each module is compiled once, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-quick parts lint bench golden lock clean

help:  ## Show this.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## Install everything into .venv, from the lock file.

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: setup  ## Back up an embedded cluster, and look at what was stored.
	PATH="$(abspath $(BIN)):$$PATH" sh examples/demo.sh

test: setup lint  ## Run every test, on the real parts too. The first time builds an API server (about ten minutes).
	$(BIN)/python -m pytest -m "not real" -n 2 --dist worksteal
	$(MAKE) parts
	$(BIN)/python -m pytest -m real -n 2 --dist loadfile

parts: setup  ## Make the real parts of the tests ready, once: API server and nodes are built, Azurite is installed.
	command -v go >/dev/null || $(BIN)/python -m pip install --quiet --require-hashes -r tests/controlplane/go.lock
	$(BIN)/python -m tests.controlplane.build
	$(BIN)/python -m tests.parts.kwok
	$(BIN)/python -m tests.parts.restic
	$(BIN)/python -m tests.parts.azurite

test-quick: setup  ## Run the tests that need no real parts and little time: a minute or so.
	$(BIN)/python -m pytest -m "not real and not slow" -n 2 --dist worksteal

lint: setup  ## Style, types, and the rooms' contracts.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: parts  ## Measure against the physical limit in the same run; N=100000, RESTORED=24000 for larger clusters.
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.restore
	$(BIN)/python -m tests.bench.diff
	$(BIN)/python -m tests.bench.volumes

golden: setup  ## Write golden files and schemas anew; then read the difference.
	TRYSAIL_REGENERATE=1 $(BIN)/python -m pytest -m "not real" -n 2 -q
	$(BIN)/trysail schema --out schemas/trysail.schema.json

lock: setup  ## Resolve the lower bounds anew into requirements.lock.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --generate-hashes --universal --no-header --no-emit-index-url \
	  --extra azure --group dev pyproject.toml -o requirements.lock

clean:  ## Remove what setup, demo and bench made.
	rm -rf $(VENV) .demo .bench
