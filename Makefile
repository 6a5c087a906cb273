# Every target sets itself up in .venv from a bare checkout: Python 3.11, a C compiler, the package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-minimal bench docs lint release-check models demo-clips clean

demo: $(VENV)/.core
	$(BIN)/cuelens demo

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	  $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal --durations=15

test-minimal: $(VENV)/.dev  ## tests that need no extras, with the lowest versions that pyproject.toml allows
	bash scripts/test_minimal.sh $(PYTHON)

release-check: $(VENV)/.dev  ## build sdist and wheel, install the wheel elsewhere and use it
	bash scripts/check_release.sh $(BIN)/python $(PYTHON)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.timeline
	$(BIN)/python -m benchmarks.app
	$(BIN)/python -m benchmarks.start_up
	$(BIN)/python -m benchmarks.runs
	$(BIN)/python -m benchmarks.killed_runs
	$(BIN)/python -m benchmarks.million

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going --jobs=auto -b html docs docs/_build/html

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

models: $(VENV)/.dev  ## train the bundled models again (needs EmoDB; about half an hour)
	$(BIN)/cuelens train --corpus emodb-2s --features egemaps --out src/cuelens/models/bundled/emodb-egemaps
	$(BIN)/cuelens train --corpus emodb-2s --features logmel --out src/cuelens/models/bundled/emodb-cnn

demo-clips: $(VENV)/.dev  ## synthesise the demo clips again
	$(BIN)/python scripts/make_demo_clips.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable ".[dev]"
	touch $@ $(VENV)/.core

$(VENV)/.docs: $(VENV)/.dev
	$(PIP) --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) build dist docs/_build
