# make              what there is to do
# make import       the import, on the database of DATABASE_URL or a local one

PYTHON ?= python3
BIN := .venv/bin
BENCH = $(BIN)/python -m benchmarks --runs $(RUNS) $(if $(RECORDS),--records $(RECORDS)) \
	$(if $(PEERS),--peers $(PEERS)) $(if $(SIZES),--sizes $(SIZES)) $(if $(URL),--url $(URL))
# Three tests at a time on two cores: some of them wait.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)) * 3 // 2 or 1)" 2>/dev/null || echo auto)
TEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
RUNS ?= 20

.DEFAULT_GOAL := help
.PHONY: help import test test-fast chaos lint bench bench-site preview status verify check psql clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | column -t -s "$$(printf '\t')"

import: $(BIN)/installed  ## bring the database of DATABASE_URL, or a local one, up to date: schema and leads
	$(BIN)/alembic upgrade head

test: $(BIN)/installed  ## the test suite, side by side on throwaway Postgres servers (PYTEST="tests/importing -x")
	$(TEST) $(PYTEST)

test-fast: $(BIN)/installed  ## the half of the suite that needs no Postgres, in seconds
	$(TEST) -m "not chaos and not server" $(PYTEST)

chaos: $(BIN)/installed  ## kill RUNS imports at random moments (make chaos RUNS=200), and the other slow tests of faults
	CHAOS_RUNS=$(RUNS) $(BIN)/python -m pytest tests/faults -m chaos -s $(PYTEST)

lint: $(BIN)/installed  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench bench-site: RUNS = 5
bench: $(BIN)/installed  ## load, a deploy of 217 and growth, beside other tools (RECORDS=, RUNS=, PEERS=, SIZES=, PARTS=, URL=)
	$(BENCH) $(or $(PARTS),load small growth)

bench-site: $(BIN)/installed  ## what the site notices of an import (RECORDS=, RUNS=, URL=)
	$(BENCH) site

preview status verify: $(BIN)/installed
preview:  ## show what `make import` would do
	$(BIN)/python -m migrations preview

status:  ## list what was imported
	$(BIN)/python -m migrations status

verify:  ## check that every import is there
	$(BIN)/python -m migrations verify

check: $(BIN)/installed  ## check the bundled exports, or another one (make check EXPORT=FILE)
	@for export in $(if $(EXPORT),"$$EXPORT",$(filter-out %.columns.json,$(wildcard data/*.json))); do $(BIN)/python -m migrations check "$$export" || exit 1; done

psql: $(BIN)/installed  ## open the database of DATABASE_URL, or the local one (SQL="SELECT …" runs that alone)
	@$(BIN)/python -m migrations.deploy.psql $(if $(SQL),--command "$$SQL")

clean:  ## remove the virtual environment and the local database
	rm -rf .venv .venv-bench .bench .postgres .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/installed: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
