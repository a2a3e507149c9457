# Two commands carry a stranger: `make run` and `make test`. Both need Python 3.11, pip and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint bench chaos load clean

$(VENV)/.run: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Review Queue needs Python 3.11 or newer.")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# DEBUG until there is a key: whoever has set one runs a queue for others.
run: $(VENV)/.run
	@grep -qs '^SECRET_KEY=.' .env || test -n "$$SECRET_KEY" || export DEBUG=$${DEBUG-true}; exec $(BIN)/python manage.py runqueue $(if $(PORT),--port $(PORT))

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	DEBUG=true $(BIN)/mypy .
	$(BIN)/lint-imports

# Fills, serves and measures; writes docs/performance.md. PostgreSQL: BENCH_DATABASE_URL=postgres://… make bench
bench: $(VENV)/.dev
	$(BIN)/python -m tools.bench --verbose

# Breaks everything that can break, then compares every row (docs/chaos.md). Needs PostgreSQL and Redis.
chaos: $(VENV)/.dev
	$(BIN)/python -m tools.chaos $(CHAOS_ARGS)

load: $(VENV)/.dev
	$(BIN)/python -m tools.chaos --small --load 60 $(CHAOS_ARGS)

clean:
	rm -rf $(VENV) var
