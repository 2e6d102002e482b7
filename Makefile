# The two commands are `make demo` and `make test`; both set everything up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ROOMS := model tracer storage analysis dashboard

.PHONY: help demo test test-fast coverage lint format bench bench-peers endurance screenshots looks clean

help:
	@echo "make demo                 record real parallel chains and open the dashboard on them"
	@echo "make test                 everything, in a real browser too where Chromium is there"
	@echo "make test-fast            everything that needs no browser"
	@echo "make coverage             the same, and which lines no test reached"
	@echo "make lint                 format, style, types, and who may import whom"
	@echo "make format               put the code into the project's format"
	@echo "make bench                measure what claims to be fast"
	@echo "make bench-peers          what our handler and those of others cost the caller, side by side"
	@echo "make endurance            kill a busy writer a thousand times, and look for what is missing"
	@echo "make screenshots          make the README's pictures anew (needs Chromium)"
	@echo "make looks TO=FOLDER      a picture of every page, both themes, three widths, to look at"
	@echo "make clean                remove the virtual environment and all caches"

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Longpole needs Python 3.11 or newer; say which with: make PYTHON=python3.12 …"; exit 1; }
	@echo "Setting up $(VENV); the first time this takes a few minutes."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all,dev]'
	@touch $(READY)

demo: $(READY)
	$(BIN)/longpole demo $(DEMO)

# pytest ends with 5 when TESTS names no test of this kind.
test: test-fast
	$(BIN)/python -m pytest -m browser $(TESTS) || test $$? -eq 5

test-fast: $(READY)
	$(BIN)/python -m pytest -m "not browser" -n auto --dist loadfile $(TESTS) || test $$? -eq 5

coverage: $(READY)
	$(BIN)/python -m pytest -m "not browser" --cov --cov-report=term-missing:skip-covered $(TESTS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m tests.bench

bench-peers: $(READY)
	$(BIN)/python -m tests.bench peers

endurance: $(READY)
	$(BIN)/python -m tests.bench endurance

screenshots: $(READY)
	$(BIN)/python -m tests.browser.pictures

looks: $(READY)
	$(BIN)/python -m tests.browser.looks $(TO)

clean:
	rm -rf $(VENV) .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
