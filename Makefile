# Everything runs in .venv; `make demo` and `make test` need nothing else on a fresh machine but Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A process a core, each on one thread; the tests of a file share its servers and stay together.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1

.PHONY: demo site test test-slow test-huge check format clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/meshmill run examples/photos --out demo
	$(BIN)/meshmill run examples/four-photos --out demo/four-photos

# The demo's gallery as files: put site/ on any web server, or open site/index.html from the disk.
site: demo
	$(BIN)/meshmill gallery --out site

test: $(VENV)/.installed
	$(PYTEST) -m "not slow and not huge"

# Minutes each: twenty kills, outages, schedules that fire, the tutorial. CI runs them after the others.
test-slow: $(VENV)/.installed
	$(PYTEST) -m "slow and not huge"

# For a scheduled job with 16 GB of memory and two hours: the full-size model, twenty kills of the real stages.
test-huge: $(VENV)/.installed
	$(BIN)/python -m pytest -m huge

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/typed_returns.py
	$(BIN)/python bench/records.py --check
	$(BIN)/python docs/build_reference.py --check

format: $(VENV)/.installed
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo site .meshmill build *.egg-info
