# Everything runs in its own virtual environment; nothing has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install quickstart serve wheel test test-medium test-slow test-random coverage lint docs clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# The stamp is written only after a complete installation, so that an interrupted one runs again.
$(VENV)/.installed: requirements.txt setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "keras_reid needs Python 3.11 to 3.13, and $(PYTHON) is %d.%d: try make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

install: $(VENV)/.installed ## create .venv with the pinned requirements

quickstart: install ## train on synthetic people, evaluate, export a SavedModel
	$(BIN)/keras-reid fit experiments/quickstart.py
	$(BIN)/keras-reid export "$$(ls -td runs/quickstart runs/quickstart-[0-9]* 2>/dev/null | head -n 1)" \
		--format savedmodel --output exports/quickstart

models/reid: install
	$(BIN)/keras-reid publish exports/quickstart/savedmodel/float32 models/reid

serve: models/reid ## serve models/: TensorFlow Serving if Docker runs, else the embedded server
	@if docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then \
		docker compose --file serving/compose.yaml up; \
	else $(BIN)/keras-reid serve --model-config-file serving/models.config --models-folder models \
		--batching-config serving/batching.config; fi

# The wheel is built from the sdist, so that both are complete.
wheel: install ## build dist/*.whl and dist/*.tar.gz, and check them
	rm -rf build dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

# pytest-xdist workers, one TensorFlow thread each: one per core, up to 4 (2 GB each).
WORKERS ?= auto
SPREAD := -n $(WORKERS) --maxprocesses 4 --dist loadfile
PYTEST := $(BIN)/python -m pytest $(SPREAD)

test: install lint ## check the style and run the default tests
	$(PYTEST)

test-medium: install ## run the medium tests, which the gate also runs
	$(PYTEST) -m "medium and not slow"

test-slow: install ## run the slow tests, which a release needs
	$(PYTEST) -m slow

test-random: install ## run the tests of `make test` in random order, with other seeds
	$(PYTEST) -p randomly

coverage: install ## report the lines that `make test test-medium` executes, including child processes
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SPREAD) -m "not slow"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: install ## check the style and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

SITE := site
docs: install ## build the documentation and the API reference into site/; a warning fails
	$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going -c docs/site -d build/pages . $(SITE)

clean: ## remove the environment and caches; keep runs and data
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .coverage* *.egg-info build dist site docs/api
