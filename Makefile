# Every target makes what it needs. The only thing asked of the machine is Python 3.11 or newer.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo demo-down test lint format bench interop fuzz constraints clean
.DEFAULT_GOAL := demo

# The plugins are copied even by an editable install: twistd looks for them beside its own.
$(STAMP): pyproject.toml constraints.txt $(wildcard twisted/plugins/*.py)
	@./conf/make-venv $(PYTHON) $(VENV)
	@touch $@

demo: $(STAMP)        ## a cluster on this machine, and a guest that really runs on it
	@$(BIN)/python -m gnttwist.sandbox.demo up
demo-down: $(STAMP)   ## stop the demo's cluster and remove all of it
	@$(BIN)/python -m gnttwist.sandbox.demo down

# The interoperability tests need what `make interop` fetches, and are its own.
PACKAGES := $(patsubst %/__init__.py,%,$(wildcard tests/*/__init__.py))
TESTS := $(filter-out tests/interop,$(PACKAGES)) $(wildcard tests/test_*.py)

test: $(STAMP)        ## unit, functional and fault tests
	@$(BIN)/trial -j2 --temp-directory=.trial/test $(TESTS)
lint: $(STAMP)        ## style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
format: $(STAMP)
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .
bench: $(STAMP)       ## one table: medians on this machine
	@$(BIN)/python -m benchmarks
interop: $(STAMP)     ## unmodified Ganeti clients against a sandbox
	@$(BIN)/python -m tests.interop.prepare .cache/interop
	@GNT_INTEROP=$(CURDIR)/.cache/interop $(BIN)/trial --temp-directory=.trial/interop tests.interop
fuzz: $(STAMP)        ## schemathesis, from PyPI, against a sandbox's remote API
	@$(BIN)/python -m tests.fuzz .cache/fuzz
constraints: $(STAMP)
	@$(BIN)/pip freeze --exclude-editable | sed '1i # What `make` installs: the versions this tree was tested with. Refresh with `make constraints`.' > constraints.txt
clean:
	rm -rf $(VENV) .trial .mypy_cache .ruff_cache .hypothesis
