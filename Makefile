# make study: install, then run the first study; make test: install, then the tests; both are quick the second time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CORES := $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() or 1))')
# A process a core, with one thread each: quicker than one process with all of them, for most tests are short.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile

.PHONY: install study test test-all lint format help

help:
	@echo "make install   install augstudy and what it needs into .venv (7 GB)"
	@echo "make study     install augstudy into .venv and run studies/single_image_A.yaml (25 minutes on two cores)"
	@echo "make test      install augstudy into .venv and run the tests (minutes on two cores)"
	@echo "make test-all  the tests marked slow, faults or gpu as well"
	@echo "make lint      ruff check, ruff format --check, mypy"

install: $(INSTALLED)

study: $(INSTALLED)
	@echo "== running studies/single_image_A.yaml; finished runs are kept, results appear in results/single_image_A"
	$(BIN)/augstudy run studies/single_image_A.yaml --jobs $(CORES)

test: $(INSTALLED)
	@echo "== running the tests"
	$(PYTEST)

test-all: $(INSTALLED)
	$(PYTEST) -m "slow or not slow"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy augstudy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(INSTALLED): pyproject.toml
	@echo "== installing augstudy and what it needs into $(VENV) (torch is several GB; once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "augstudy needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@
