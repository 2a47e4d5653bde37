# make demo    install, run the main job on simulated data, open the dashboard (DASHBOARD=0: without it)
# make test    install, run every test of the default suite
# make check   lint, types, import order and tests
# make benchmark DATA=FOLDER    our detector, its ablations and its peers on public sets

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DASHBOARD ?= 1
ROWS ?= 50000
DATA ?= data/adbench
OUT ?= artifacts/benchmark

.PHONY: install demo test test-all benchmark check format lint clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[dev]"
	touch $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/anomaly-cl demo --folder demo --rows $(ROWS) $(if $(filter 0,$(DASHBOARD)),--no-dashboard,)

# two workers with a thread each: as quick on two cores as the tests get
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-all: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m ""

# DATA: a folder of .npz files with X and y, such as ADBench's; hours for all models, and it goes on where it stopped
benchmark: $(INSTALLED)
	$(BIN)/python -m apps.benchmark tabular --data $(DATA) --out $(OUT)

format: $(INSTALLED)
	$(BIN)/ruff check --fix .

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases -p apps.benchmark
	$(BIN)/lint-imports

check: lint test

clean:
	rm -rf $(VENV) demo artifacts build dist .pytest_cache .mypy_cache .ruff_cache
