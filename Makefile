# Each target sets up what it needs; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
PYTHON312 ?= python3.12
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
AUDIT := $(VENV)/.audit
SITE := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
unexport PYTHONDONTWRITEBYTECODE  # the tests start a thousand interpreters, and need not compile for each

.PHONY: help live report-pictures audit test stress check bench bench-client bench-simulate golden docs site dist requirements clean dashboards pictures bench-logs fuzz focus

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

# The lists are complete, so pip resolves nothing; what is imported gets compiled then, and no more than that.
PIP_INSTALL := $(BIN)/pip install --disable-pip-version-check --no-deps --no-compile

$(BIN)/pip:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(AUDIT): requirements/audit.txt pyproject.toml | $(BIN)/pip
	@echo "Installing the packages of requirements/audit.txt into $(VENV): about a minute and 650 MB, once"
	$(PIP_INSTALL) --require-hashes -r requirements/audit.txt
	$(PIP_INSTALL) --quiet --no-build-isolation -e .
	touch $@

$(STAMP): requirements/dev.txt $(AUDIT)
	@echo "Installing the packages of requirements/dev.txt into $(VENV), for tests, checks and documentation"
	$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	touch $@

audit: $(AUDIT)  ## audit sample_logs/ (installs only what an audit needs)
	$(BIN)/auditor audit sample_logs

live: $(STAMP)  ## run everything on this machine, Prometheus and Alertmanager too (CHECK=1, KEEP=folder)
	$(BIN)/python -m scripts.live $(if $(CHECK),--check) $(if $(KEEP),--keep $(KEEP))

test: $(STAMP)  ## run the tests (T=path, K=words of their names, QUICK=1: those that start no process)
	$(BIN)/python -m pytest $(T) $(if $(K),-k "$(K)") $(if $(QUICK),--quick)

stress: $(STAMP)  ## thousands of simulated logs, the load tests of the exporter at full scale, 30 kills (minutes)
	SIMULATION_SEEDS=3000 $(BIN)/python -m pytest tests/simulation/test_simulate_oracle.py
	AUDITOR_HAMMER_SECONDS=20 AUDITOR_TEMPLATES=1000000 $(BIN)/python -m pytest -n 0 -s \
		tests/exporters/test_slow_clients.py tests/exporters/test_labels.py
	AUDITOR_HOST_KILLS=30 $(BIN)/python -m pytest -n 0 -s tests/exporters/test_many_hosts.py

check: $(STAMP)  ## lint, types, import contracts, generated docs, the documentation site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m scripts.docs --check
	$(SITE) --quiet

site: $(STAMP)  ## build the documentation site into .site/
	$(SITE)

dist: $(STAMP)  ## build the distributions for a release (TAG=vVERSION REPOSITORY=URL)
	$(BIN)/python -m scripts.release "$(TAG)" "$(REPOSITORY)"
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*

bench: $(STAMP)  ## measure against bare DuckDB, a script and pandas (SIZE=1m or 10m)
	$(BIN)/python benchmarks/run.py --size $(or $(SIZE),1m)

bench-client: $(STAMP)  ## measure the client against other caches (ROUNDS=40)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/client.py --rounds $(or $(ROUNDS),40)

bench-logs: $(STAMP)  ## measure an access log against GoAccess (LINES=1000000)
	scripts/services.sh goaccess
	$(BIN)/python benchmarks/logs.py --lines $(or $(LINES),1000000)

fuzz: $(STAMP)  ## damage the lines of every format for a minute each (SECONDS=60)
	AUDITOR_FUZZ_SECONDS=$(or $(SECONDS),60) $(BIN)/python -m pytest tests/formats/test_hostile.py -k breaks

bench-simulate: $(STAMP)  ## measure simulations, and cache traces against libCacheSim (SIZE=1m or 10m)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(BIN)/python benchmarks/simulate.py --size $(or $(SIZE),1m)

report-pictures: $(STAMP)  ## take the pictures of the HTML report in docs/ again
	$(BIN)/python scripts/report_pictures.py

focus: $(STAMP)  ## judge the FOCUS export by the specification's own validator (PYTHON312=python3.12)
	test -x .focus/bin/focus-validator || { $(PYTHON312) -m venv .focus && \
		.focus/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/focus.txt; }
	$(BIN)/python -m pytest -n 0 tests/reports/test_focus.py

golden: $(STAMP)  ## write the golden report of sample_logs/ again
	$(BIN)/python -m tests.golden.write

dashboards: $(STAMP)  ## build grafana/dashboards (RUNBOOKS=URL where grafana/runbooks is published)
	$(BIN)/python -m grafana.source $(if $(RUNBOOKS),--runbooks $(RUNBOOKS))

pictures: $(STAMP)  ## draw the dashboards with Grafana's own components into docs/pictures (node, npm, 500 MB)
	PYTHONPATH=. $(BIN)/python scripts/pictures/draw.py

docs: $(STAMP)  ## fill the generated parts of README and docs/
	$(BIN)/python -m scripts.docs

requirements:  ## pin the dependencies again, with hashes
	uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
		--extra all --group dev --group build pyproject.toml -o requirements/dev.txt
	uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
		--extra audit --group build --constraint requirements/dev.txt pyproject.toml -o requirements/audit.txt
	uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
		--extra all --group build --constraint requirements/dev.txt pyproject.toml -o requirements/all.txt
	uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
		--group bench --constraint requirements/dev.txt pyproject.toml -o requirements/bench.txt
	for set in oldest middle newest; do \
		uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
			--group clients-$$set -o requirements/clients-$$set.txt; \
	done
	uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 \
		--group moto -o requirements/moto.txt
	uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.12 \
		--group focus -o requirements/focus.txt

clean:  ## remove what was built
	rm -rf $(VENV) .bench .site .clients .focus .moto build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
