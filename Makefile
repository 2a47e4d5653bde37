# make demo    install, run the main job on simulated data, open the dashboard (DASHBOARD=0: without it)
# make test    install, run every test of the default suite
# make check   lint, types, import order and tests
# make audit   known weaknesses of the locked packages, as pip-audit's service tells them (needs the network)
# make benchmark DATA=FOLDER    our detector, its ablations and its peers on public sets

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
AUDIT := .venv-audit
DASHBOARD ?= 1
ROWS ?= 50000
DATA ?= data/adbench
OUT ?= artifacts/benchmark

.PHONY: install demo test test-all benchmark check audit format lint clean

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

# an environment of its own, so that the tool never changes what it looks at; strict: what cannot be asked about is no pass
audit:
	test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && \
	    $(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; }
	$(AUDIT)/bin/pip-audit --strict --requirement requirements.lock --no-deps --disable-pip --progress-spinner off || \
	    { echo "audit: NOT passed. Either weaknesses are listed above, or the service could not be asked and nothing is known."; exit 1; }

clean:
	rm -rf $(VENV) $(AUDIT) demo artifacts build dist .pytest_cache .mypy_cache .ruff_cache
