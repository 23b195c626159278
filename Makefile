# make demo | characterise | test | test-full | bench | lint | format | clean: each sets up what it needs first.
BIN := .venv/bin/

# The first Python that runs and is new enough: a pyenv shim without a version behind it is passed over.
FIND_PYTHON = for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done
SETUP = python=$$($(FIND_PYTHON)); test -n "$$python" || \
	{ echo "set-up: needs Python 3.11 or newer (python3, python3.13, python3.12, python3.11 tried)" >&2; exit 1; }; \
	"$$python" deploy/setup_env.py

.PHONY: help setup public demo characterise test test-full lint format bench clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup:  ## make .venv with all dependencies and aihwkit (minutes once, then nothing)
	@$(SETUP)

public:  # what the tests and benchmarks drive beside our own drivers, in .venv-bench
	@$(SETUP) --bench

demo: setup  ## program a small network on the virtual bench and write the report
	@$(BIN)rheostat demo --out build/demo

characterise: setup  ## both papers' whole programmes on their virtual benches, with reports
	@status=0; for profile in diao2025 xhameni2025; do \
		$(BIN)rheostat characterise --profile $$profile --virtual --out build/characterise/$$profile || status=$$?; \
		test $$status -ne 130 || break; done; exit $$status

lint: setup  ## ruff, mypy --strict (also as on Windows) and the import contracts
	$(BIN)ruff check
	$(BIN)ruff format --check
	$(BIN)mypy
	$(BIN)mypy --platform win32 --cache-dir .mypy_cache/windows
	$(BIN)lint-imports --no-logo

format: setup  ## let ruff format the code
	$(BIN)ruff check --fix
	$(BIN)ruff format

test: public lint  ## lint, then every test but the longest
	$(BIN)python -m pytest -n 2 --dist loadfile -m "not full"

test-full: public lint  ## every test
	$(BIN)python -m pytest -n 2 --dist loadfile

bench: public  ## benchmarks beside their references; also as build/bench.json
	@$(BIN)python -m tests.benchmarks.run

clean:  ## remove the environments and everything built
	rm -rf .venv .venv-bench build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find client daemon hal tests -name __pycache__ -prune -exec rm -rf {} +
