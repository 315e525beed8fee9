# Each target sets up what it needs; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
PYTHON312 ?= python3.12
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: help audit test check bench bench-client report-pictures focus fuzz golden docs requirements clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

audit: $(STAMP)  ## audit sample_logs/
	$(BIN)/auditor audit sample_logs

test: $(STAMP)  ## run the tests
	$(BIN)/python -m pytest

check: $(STAMP)  ## lint, types, import contracts, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m scripts.docs --check

bench: $(STAMP)  ## measure against bare DuckDB, a script and pandas (SIZE=1m or 10m)
	$(BIN)/python benchmarks/run.py --size $(or $(SIZE),1m)

bench-client: $(STAMP)  ## measure the client against other caches (ROUNDS=40)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(BIN)/python benchmarks/client.py --rounds $(or $(ROUNDS),40)

report-pictures: $(STAMP)  ## take the pictures of the HTML report anew
	$(BIN)/python scripts/report_pictures.py

focus: $(STAMP)  ## judge the FOCUS export by the specification's own validator (PYTHON312=python3.12)
	test -x .focus/bin/focus-validator || { $(PYTHON312) -m venv .focus && \
		.focus/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/focus.txt; }
	$(BIN)/python -m pytest -n 0 tests/reports/test_focus.py

fuzz: $(STAMP)  ## damage the lines of every format for a minute each (SECONDS=60)
	AUDITOR_FUZZ_SECONDS=$(or $(SECONDS),60) $(BIN)/python -m pytest tests/formats/test_hostile.py -k breaks

golden: $(STAMP)  ## write the golden report of sample_logs/ anew
	$(BIN)/python -m tests.golden.write

docs: $(STAMP)  ## fill the generated parts of README and docs/
	$(BIN)/python -m scripts.docs

requirements:  ## pin the dependencies anew, with hashes
	uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
		--extra all --group dev --group build pyproject.toml -o requirements/dev.txt
	uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
		--extra audit pyproject.toml -o requirements/audit.txt
	uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
		--extra all --group build --constraint requirements/dev.txt pyproject.toml -o requirements/all.txt
	uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
		--group bench --constraint requirements/dev.txt pyproject.toml -o requirements/bench.txt
	uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.12 \
		--group focus -o requirements/focus.txt

clean:  ## remove what was built
	rm -rf $(VENV) .bench .focus build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
