# Everything a developer or a CI job runs. `make` alone lists the targets.
#
#   make simulate PYTHON=python3.13      another interpreter
#   make test PYTEST_ARGS="-k settings"  part of the tests

PYTHON ?= python3
VENV ?= .venv
SCENARIO ?= nominal_facial
PYTEST_ARGS ?=

BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What runs under MicroPython: the firmware, and the model of the world around it.
DEVICE_CODE := firmware hal $(wildcard $(foreach name,noise plant sensors operator loop replay lane_main,\
	tools/emery/simulator/$(name).py)) $(wildcard $(foreach name,player tick_rig,\
	tools/emery/bench/$(name).py)) tools/emery/flash/on_device.py
# Stubs of MicroPython's modules, for type checking of the device code only.
# They lie outside the environment's import path, because some of them carry
# the names of CPython modules.
STUBS := $(VENV)/micropython-stubs
STUBS_PACKAGE := micropython-rp2-rpi_pico-stubs
# The ESP32's `machine` differs in places; what knows it is checked against its own.
ESP32_STUBS := $(VENV)/micropython-esp32-stubs
ESP32_STUBS_PACKAGE := micropython-esp32-esp32-generic-stubs
PIP := $(BIN)/python -m pip --disable-pip-version-check
# MicroPython for the 32-bit lane; npm checks it against the sum in the lock file.
WEBASSEMBLY := tools/emery/simulator/webassembly/package.json \
	tools/emery/simulator/webassembly/package-lock.json
NODE_FOLDER := $(VENV)/node
# An emulated RP2040, on which the heartbeat's program runs.
RP2040JS := tools/emery/rp2040js/package.json tools/emery/rp2040js/package-lock.json
RP2040JS_FOLDER := $(VENV)/rp2040js

.DEFAULT_GOAL := help
.PHONY: help simulate bench test test-long guards check lint types format constraints clean distclean
.SUFFIXES:

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

simulate: $(READY) ## one 30-minute facial on the modelled device -> build/report.html
	@$(BIN)/emery simulate $(SCENARIO) --report build/report.html

bench: $(READY) ## every figure beside its references; fails if one has worsened
	@$(BIN)/emery bench --check

test: check ## lint, types, then the fast tests, on CPython and on MicroPython
	@mkdir -p build
	@$(BIN)/python -m pytest -q -n auto --dist worksteal --junit-xml build/junit.xml $(PYTEST_ARGS)

test-long: check ## the same with the long tests and many more generated cases
	@mkdir -p build
	@$(BIN)/python -m pytest -q -n auto --dist worksteal -m "" --hypothesis-profile nightly \
		--junit-xml build/junit.xml $(PYTEST_ARGS)

guards: $(READY) ## patch out each safety guard in a copy; a test must turn red
	@$(BIN)/python host_tests/guards.py

check: lint types ## ruff and mypy

lint: $(READY)
	@$(BIN)/ruff check --quiet .
	@echo "ruff: no complaints"

types: $(READY)
	@echo "mypy, host code on CPython:"
	@$(BIN)/mypy tools/emery host_tests
	@echo "mypy, device code on MicroPython:"
	@MYPYPATH=$(STUBS) $(BIN)/mypy --config-file tools/device_types.ini \
		--custom-typeshed-dir $(STUBS) $(DEVICE_CODE)
	@MYPYPATH=$(ESP32_STUBS) $(BIN)/mypy --cache-dir build/mypy-esp32 \
		--config-file tools/device_types.ini --custom-typeshed-dir $(ESP32_STUBS) hal/esp32.py

format: $(READY) ## sort imports and make the safe corrections of ruff
	@$(BIN)/ruff check --fix .

constraints: ## take the newest versions that pyproject.toml allows into constraints.txt
	@rm -rf build/newest
	@$(PYTHON) -m venv build/newest
	@build/newest/bin/python -m pip --disable-pip-version-check install -qq \
		-e '.[dev,node]' $(STUBS_PACKAGE) $(ESP32_STUBS_PACKAGE)
	@{ grep '^#' constraints.txt; build/newest/bin/python -m pip freeze --exclude-editable; } \
		> build/constraints.txt
	@rm -rf build/newest
	@mv build/constraints.txt constraints.txt

# The environment is made again from nothing whenever what it depends on has
# changed, so that it never holds a package that nobody asked for. esptool comes from
# PyPI as source: it is built by itself, with the setuptools that it asks for, not with
# what a new environment happens to have.
$(READY): pyproject.toml constraints.txt $(WEBASSEMBLY) $(RP2040JS)
	@command -v $(PYTHON) > /dev/null || { \
		echo "make: there is no $(PYTHON). Install Python 3.11 or later, or name it:" \
			"make PYTHON=python3.13" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: Python 3.11 or later is needed; $(PYTHON) is" \
			"$$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.13" >&2; exit 2; }
	@echo "Setting up $(VENV) with $$($(PYTHON) -V) (once; half a minute to a few minutes) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) > /dev/null || { rm -rf $(VENV); \
		echo "make: $(PYTHON) cannot make an environment. On Debian and Ubuntu:" \
			"apt install python3-venv" >&2; exit 2; }
	@$(PIP) install -qq -c constraints.txt hatchling esptool
	@$(PIP) install -qq -c constraints.txt --no-build-isolation -e '.[dev]'
	@$(PIP) install -qq -c constraints.txt --target $(STUBS) $(STUBS_PACKAGE)
	@$(PIP) install -qq -c constraints.txt --target $(ESP32_STUBS) $(ESP32_STUBS_PACKAGE)
	@command -v npm > /dev/null || $(PIP) install -qq -c constraints.txt --no-build-isolation \
		-e '.[node]' || true
	@mkdir $(NODE_FOLDER) && cp $(WEBASSEMBLY) $(NODE_FOLDER)
	@PATH="$(abspath $(BIN)):$$PATH" npm ci --prefix $(NODE_FOLDER) --ignore-scripts --silent || \
		echo "make: MicroPython for the 32-bit lane could not be installed by npm; its tests are" \
			"skipped. Once npm works: make distclean, and again." >&2
	@mkdir $(RP2040JS_FOLDER) && cp $(RP2040JS) $(RP2040JS_FOLDER)
	@PATH="$(abspath $(BIN)):$$PATH" npm ci --prefix $(RP2040JS_FOLDER) --ignore-scripts --silent || \
		echo "make: rp2040js could not be installed by npm; its tests are skipped. Once npm" \
			"works: make distclean, and again." >&2
	@touch $(READY)

clean: ## remove build/
	@rm -rf build

distclean: clean ## remove build/ and the environment
	@rm -rf $(VENV)
