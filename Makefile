# Two commands for users (prove, test), two for developers (check, lock), and the benchmarks (bench, cosim).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: prove test check bench cosim lock objects clean

prove: $(VENV)/ready
	$(BIN)/verify prove trampolines/*.o

test: $(VENV)/ready-test
	$(BIN)/python -m pytest -n 2

check: $(VENV)/ready-test
	$(BIN)/ruff format --check verify tests benchmarks
	$(BIN)/ruff check verify tests benchmarks
	$(BIN)/mypy

bench: $(VENV)/ready-test
	$(BIN)/python benchmarks/trampolines.py
	$(BIN)/python benchmarks/semantics.py

# The long campaign against unicorn and QEMU in user mode; WRITE=--write keeps its counts.
cosim: $(VENV)/ready-test
	$(BIN)/python benchmarks/cosimulation.py $(WRITE)

$(VENV)/python-ready:
	$(PYTHON) -m venv $(VENV)
	touch $@

# Everything is pinned with its hash; the package itself is installed in place, without reaching for anything.
$(VENV)/ready: $(VENV)/python-ready requirements/build.txt requirements/main.txt pyproject.toml
	$(PIP) --require-hashes -r requirements/build.txt
	$(PIP) --require-hashes -r requirements/main.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q verify
	touch $@

$(VENV)/ready-test: $(VENV)/ready requirements/test.txt
	$(PIP) --require-hashes -r requirements/test.txt
	touch $@

# Needs the PyPI package `uv`; writes no index address into the locks.
COMPILE := uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
           --no-emit-index-url --no-header --no-annotate
lock:
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) pyproject.toml -o requirements/main.txt
	$(COMPILE) pyproject.toml --extra test --extra check -o requirements/test.txt

# Assemble the sample objects again from their sources (needs GNU binutils for s390x).
objects:
	$(MAKE) -C trampolines

clean:
	rm -rf $(VENV) build dist
