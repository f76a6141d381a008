# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` need python3 >= 3.11, g++ and make, and a network for pip the first time.

PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check

# The open-source ap_int and hls_stream headers that one test compiles against travel inside this wheel.
HLS4ML = hls4ml==1.3.0

# A file of tests goes to one worker, so that what its fixtures compile is compiled once; in the order of the folders, of
# which the last ones are short.
SHARED_OUT = -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help venv demo test quick lint docs wheel clean distclean
.DELETE_ON_ERROR:
# Every target installs into the same environment.
.NOTPARALLEL:

help:
	@echo "make demo       install into $(VENV) and run the demo into build/demo"
	@echo "make test       install and run the tests"
	@echo "make quick      the tests but for the slow ones, in an environment that is there already"
	@echo "make venv       install with everything a developer needs"
	@echo "make lint       ruff and mypy"
	@echo "make docs       the documentation as a site into build/site, links checked"
	@echo "make wheel      sdist and wheel into dist/"
	@echo "make clean      remove what was built; distclean: and $(VENV)"

demo: $(VENV)/.swm-core
	$(VENV)/bin/swm demo -o build/demo --force

test: $(VENV)/.swm-test
	@test -e $(VENV)/.swm-hls4ml || { $(PIP) install --quiet --no-deps $(HLS4ML) && touch $(VENV)/.swm-hls4ml; } \
	    || echo "make test: could not fetch $(HLS4ML); the tests that need its headers will skip"
	$(VENV)/bin/python -m pytest $(SHARED_OUT) $(PYTEST_ARGS)

# Without what builds a wheel, runs the demo, or fuzzes: for the minutes between two edits.
quick:
	$(VENV)/bin/python -m pytest $(SHARED_OUT) -m "not slow" $(PYTEST_ARGS)

venv: $(VENV)/.swm-dev

lint: $(VENV)/.swm-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/.swm-docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet

wheel: $(VENV)/.swm-dev
	$(VENV)/bin/python -m build --outdir dist

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

# One stamp for each set of packages, so that the demo does not wait for what only tests need.
$(VENV)/.swm-core: EXTRAS =
$(VENV)/.swm-test: EXTRAS = [test]
$(VENV)/.swm-dev: EXTRAS = [test,dev]
$(VENV)/.swm-docs: EXTRAS = [docs]
$(VENV)/.swm-core $(VENV)/.swm-test $(VENV)/.swm-dev $(VENV)/.swm-docs: pyproject.toml | $(VENV)/pyvenv.cfg
	$(PIP) install --quiet --editable '.$(EXTRAS)'
	@touch $@

# Debian's python3 comes without ensurepip, and its own message about that is long and easily lost.
$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "swm needs Python 3.11 or newer as $(PYTHON); choose another with: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	    || { echo "$(PYTHON) cannot make virtual environments: install the Debian package python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
