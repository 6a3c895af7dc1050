# Every command sets up what it needs; start with `make demo` or `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

ifneq ($(words $(CURDIR)),1)
$(error The path of this checkout has a blank in it ($(CURDIR)), which the environment and its PostgreSQL cannot live with: move it to a folder without)
endif

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKS := requirements-uv.txt requirements-dev.txt requirements-model.txt

.PHONY: help demo test check fmt bench bench-small bench-evals bench-quality bench-pull bench-spend bench-alerts bench-audit lock setup clean

help: ## Show what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## Run the worked example end to end and keep it up (ONCE=1: stop afterwards, fail if any part did not run)
	@$(BIN)/python -m afterpilot.demo $(if $(filter-out 0 no false,$(ONCE)),--once)

test: check ## Lint, types, import contract, then every test on a real PostgreSQL
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: setup ## Lint, format, types, import contract, lock files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: setup ## Format and mend what can be mended by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## Run the benchmarks, one after the other; each prints ratios measured side by side
	@$(MAKE) --no-print-directory -k ARGS= bench-small bench-evals bench-quality bench-pull bench-spend bench-alerts bench-audit

bench-small: setup ## The regression alarm, the allowance endpoint, the output gate, the watchdog, a run with its entry
	@status=0; for file in benchmarks/bench_*.py; do $(BIN)/python $$file || status=1; done; exit $$status

bench-evals: setup ## Eval runners and ours side by side on identical work (ARGS="--cells quick": a minute or two)
	@$(BIN)/python -m benchmarks.evals $(ARGS)

bench-quality: setup ## 10,000 expectations of 1,000 workflows: one pass, Great Expectations and Soda (ARGS="--sizes 10m": 2 GB of rows)
	@$(BIN)/python -m benchmarks.quality $(ARGS)

bench-pull: setup ## One pull of 100k and 1 million rows: a bare COPY, ours and dlt (ARGS="--quick": 50k rows)
	@$(BIN)/python -m benchmarks.pull $(ARGS)

bench-spend: setup ## An hour of 10 million calls a day metered, re-pricing, and plain SQL over the calls (ARGS="--quick": a minute)
	@$(BIN)/python -m benchmarks.spend $(ARGS)

bench-alerts: setup ## 10,000 alerts under kills, crashes and lost replies; after an outage; commit to Slack (ARGS="--quick": minutes)
	@$(BIN)/python -m benchmarks.alerts $(ARGS)

bench-audit: setup ## The ledger: 8 writers beside a plain table and a hash chain, a million entries verified, the list of runs (ARGS="--quick")
	@status=0; $(BIN)/python -m benchmarks.audit $(ARGS) || status=1; $(BIN)/python -m benchmarks.run_list --runs $(if $(findstring quick,$(ARGS)),100k,10m) || status=1; exit $$status

lock: setup ## Resolve requirements*.in anew into hashed locks
	@$(BIN)/uv pip compile -q --generate-hashes --no-annotate --python-version 3.11 --custom-compile-command 'make lock' $(UPGRADE) requirements.in -o requirements.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-annotate --python-version 3.11 --custom-compile-command 'make lock' $(UPGRADE) -c requirements.txt requirements-dev.in -o requirements-dev.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-annotate --python-version 3.11 --custom-compile-command 'make lock' $(UPGRADE) -c requirements.txt requirements-s3.in -o requirements-s3.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-annotate --no-deps --custom-compile-command 'make lock' requirements-model.in -o requirements-model.txt

setup: $(READY) ## Build the environment from the hashed locks

clean: ## Remove the environment and everything that demo and benchmarks have kept
	@rm -rf $(VENV) .afterpilot .bench

$(READY): $(LOCKS) pyproject.toml
	@bash setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@
