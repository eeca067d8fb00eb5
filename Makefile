# Frostline's work, each by one word. `make demo` and `make test` set up all they need on a fresh machine.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HISTORIES ?= 20000
WORKERS ?= 5
KILLS ?= 200
# Without bytecode on the disk every process would compile all it imports: three times the CPU of a start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check format chaos bench clean

help: ## What there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo ## The whole system on this machine, with simulated devices (Ctrl-C ends it)
	@$(BIN)/frostline demo $(DEMO)

test: $(VENV)/.dev services ## Every test, with a real broker, databases and browser
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

check: $(VENV)/.dev ## ruff, mypy strict, import-linter
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## Put the code into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

chaos: $(VENV)/.dev services ## Random histories of the commit protocol (HISTORIES=20000), then the whole system killed (KILLS=200 SEED=)
	@[ $(HISTORIES) = 0 ] || \
	FROSTLINE_HISTORIES=$(HISTORIES) $(BIN)/python -m pytest -m chaos --timeout 0 tests/unit/core/commit tests/chaos
	@$(BIN)/python -m tests.chaos --kills $(KILLS) $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

bench: $(VENV)/.dev services ## Measures; JSON results in var/bench
	@$(BIN)/python -m tests.bench

clean: ## Remove what was made here
	rm -rf $(VENV) var build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: services
services:
	@bash tests/support/install-services.sh

$(BIN)/uv:
	@bash deploy/make-venv.sh $(PYTHON) $(VENV)

$(VENV)/.demo: $(BIN)/uv pyproject.toml constraints.txt
	@echo "installing Frostline into $(VENV) ..."
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q -c constraints.txt -e '.[gateway,cloud,sim]'
	@touch $@

$(VENV)/.dev: $(BIN)/uv pyproject.toml constraints.txt
	@echo "installing Frostline and its test tools into $(VENV) ..."
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q -c constraints.txt -e '.[gateway,gpio,cloud,postgres,sim,grafana,chat,dev]'
	@touch $@ $(VENV)/.demo
