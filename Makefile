# GNU make 3.81 (macOS) and later. `make` alone lists what there is.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

# One stamp per finished set-up, each written last: an interrupted one leaves none and starts over.
MADE := $(VENV)/.made
BASE := $(VENV)/.base
TEST := $(VENV)/.test
DOCS := $(VENV)/.docs

# What the extension is compiled from, beside the examples and tests of native/.
NATIVE := native/CMakeLists.txt $(shell find native/bindings native/include -name '*.[ch]pp')

BENCHMARKS := $(sort $(patsubst benchmarks/%.py,%,$(filter-out benchmarks/_%,$(wildcard benchmarks/*.py))))
ifneq ($(filter-out $(BENCHMARKS),$(ONLY)),)
  $(error no benchmark $(ONLY) in benchmarks/: there is $(BENCHMARKS))
endif

CHECK_PYTHON := import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
  "byhand needs Python 3.11 or later, $(PYTHON) is {}.{}: try make PYTHON=python3.12".format(*v[:2]))

CHECK_NATIVE := import sys; from byhand.engines import available; sys.exit(available("native"))

.PHONY: help tour test coverage lint bench bench-doctor figures docs clean

help:
	@echo "make tour          install byhand and watch a hand-written network learn (about 4 minutes)"
	@echo "make test          install everything, then lint, check types and floors, and run the tests"
	@echo "make coverage      the tests again, saying which lines none of them runs (half as long again)"
	@echo "make lint          ruff, import-linter and mypy alone"
	@echo "make bench         run benchmarks/, or with ONLY=mlp one of them"
	@echo "make bench-doctor  how good the doctor is, on benchmarks/doctor/ (about 25 minutes)"
	@echo "make figures       draw the figures of the docs again from docs/experiments/"
	@echo "make docs          build the docs site into site/"
	@echo "make clean         remove what the other targets made (your runs/ stay)"
	@echo "PYTHON=python3.12 chooses the interpreter of the first set-up; make clean to change it."

tour: $(BASE)
	@$(BIN)/byhand tour

test: $(TEST)
	@set -e; for name in mnist tiny-shakespeare chelsea.png coffee.png efficientnet-lite0.pth \
	  smollm2-135m-instruct; do \
	  $(BIN)/byhand data get "$$name"; \
	done
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

coverage: $(TEST)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --cov

lint: $(TEST)
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(TEST)
	@set -e; for name in $(or $(ONLY),$(BENCHMARKS)); do \
	  echo "== benchmarks/$$name.py"; $(BIN)/python "benchmarks/$$name.py"; \
	done

bench-doctor: $(TEST)
	@set -e; for root in '' --holdout; do \
	  echo "== benchmarks/doctor/score.py $$root"; $(BIN)/python benchmarks/doctor/score.py $$root; \
	done

figures: $(BASE)
	@set -e; for script in docs/experiments/[!_]*.py; do \
	  [ -e "$$script" ] || { echo "docs/experiments/ is empty"; break; }; \
	  echo "== $$script"; $(BIN)/python "$$script"; \
	done

docs: $(DOCS)
	$(BIN)/mkdocs build --strict
	@echo "open site/index.html"

clean:
	rm -rf $(VENV) build dist site .coverage .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	rm -f src/byhand/engines/_native*.so src/byhand/engines/_native*.pyd
	find src tests docs benchmarks examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(MADE):
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "no $(PYTHON) found: install Python 3.11 or later, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c '$(CHECK_PYTHON)'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(BASE): $(MADE) pyproject.toml constraints.txt $(NATIVE)
	@echo "installing byhand into $(VENV) and compiling its native engine (about two minutes)"
	@$(PIP) --editable .
	@$(BIN)/python -c '$(CHECK_NATIVE)' || \
	  echo "what went wrong: $(BIN)/python -m pip install --verbose --no-deps --editable ." >&2
	@touch $@

# byhand is in place by now, so its extras only add to it: an interruption leaves it usable. That
# the engine was compiled again is no reason to look through the extras again.
$(TEST): $(MADE) pyproject.toml constraints.txt | $(BASE)
	@echo "installing PyTorch and the test tools into $(VENV) (about two minutes)"
	@$(PIP) torch
	@$(PIP) 'byhand[test]'
	@touch $@

$(DOCS): $(MADE) pyproject.toml constraints.txt | $(BASE)
	@echo "installing the docs tools into $(VENV) (about half a minute)"
	@$(PIP) 'byhand[docs]'
	@touch $@
