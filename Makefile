# Set-up, training and checks. `make help` lists the targets.
#
#   make train ARGS="env=breakout seed=2"     any override of the command line
#   make test PYTEST_ARGS="-m 'not learning'" any option of pytest

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
ARGS ?=
PYTEST_ARGS ?=
# Few at a time: the longest, which tests/conftest.py puts first, then lie on all processes.
PROCESSES ?= -n logical --maxprocesses 4 --maxschedchunk 8

# The main job is algo=dqn env=pong. What ARGS chooses is left alone, and so is what an experiment chooses.
chosen = $(filter $(1)=% experiment=% +experiment=%,$(ARGS))
MAIN_JOB = $(if $(call chosen,algo),,algo=dqn) $(if $(call chosen,env),,env=pong)

.DEFAULT_GOAL := help
.PHONY: help setup train test ratios lint types hooks lock

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## Make .venv with the locked dependencies and this package (once)

train: $(READY)  ## Train: python train.py algo=dqn env=pong $(ARGS)
	$(BIN)/python train.py $(strip $(MAIN_JOB) $(ARGS))

test: $(READY)  ## Run the whole test suite: pytest $(PYTEST_ARGS)
	$(BIN)/python -m pytest $(PROCESSES) $(PYTEST_ARGS)

ratios: $(READY)  ## Check that what Trainer, update and search add has not grown by much
	$(BIN)/python scripts/benchmark.py --only trainer,update,search --env-steps 300 --repeats 5 \
	    --warm-up-env-steps 200 --not-below docs/results/ratios.json

lint: $(READY)  ## Check style with ruff
	$(BIN)/ruff check .

types: $(READY)  ## Check types with mypy
	$(BIN)/mypy

hooks: $(READY)  ## Let git run lint and types before each commit
	$(BIN)/pre-commit install

# --- set-up: once, and again only when the dependencies change ---------------------------------------------

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}; try make PYTHON=python3.12" if v < (3, 11) else 0)'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c requirements.lock -e ".[dev]"
	@touch $@

# Everything in .venv but pip and this package, without the mark of a CPU or CUDA build. To renew the versions:
# delete .venv, make it with `pip install -e ".[dev]"`, run the tests, then `make lock`.
lock:  ## Write the versions in .venv to requirements.lock
	@test -x $(BIN)/pip || { echo "There is no .venv; make setup first." >&2; exit 1; }
	@$(BIN)/python -m pip list --disable-pip-version-check --format=freeze --exclude pip --exclude triptych > $(VENV)/lock.tmp
	@{ echo "# The tested versions: pip install -c requirements.lock -e \".[dev]\". Written by make lock."; \
	   sed 's/+[a-z0-9.]*$$//' $(VENV)/lock.tmp | LC_ALL=C sort -f; } > requirements.lock
	@rm $(VENV)/lock.tmp
	@if test -e $(READY); then touch $(READY); fi
	@echo "requirements.lock: $$(grep -c == requirements.lock) versions"
