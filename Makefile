# `make quickstart` and `make test` do all their own set-up, in .venv.

# Another Python that is named, or the oldest packages, have an environment of their own.
PYTHON := $(if $(OLDEST),$(or $(PYTHON),python3.10),$(PYTHON))
VENV := .venv$(addprefix -,$(notdir $(PYTHON)))$(if $(OLDEST),-oldest)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Locked: these files, by their digests, and no others.
LOCKED := $(PIP) --require-hashes --no-deps --requirement
EDITABLE := $(PIP) --no-deps --no-build-isolation --editable .
# The processes that tests start find compiled modules, also where the shell forbids to write them.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help quickstart style lint test matrix soak gate boxed lock clean

help:
	@echo "make quickstart   MNIST from raw bytes to a verified SavedModel and TFLite file"
	@echo "make test         lint, types and tests"
	@echo "make soak         the long tests, kills, bad disks, damaged and odd files, odd requests, an hour of attacks"
	@echo "make gate         lint, types and all tests, the long ones too: before a release"
	@echo "make boxed        trains the small model that comes with digitline again"
	@echo "make matrix       tests on each supported Python, and with the oldest packages"
	@echo "make lock         writes requirements*.txt for constraints.txt, and constraints-oldest.txt"
	@echo "make clean        removes the virtual environment and what was built"

quickstart: $(VENV)/.installed
	$(BIN)/digitline quickstart

style: $(VENV)/.installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint: style
	$(BIN)/pyright

# tests/test_types.py runs pyright, beside the other tests.
test: style
	$(PYTEST)

# Fewer tests: those that need no export and no server. MATRIX="" takes all.
MATRIX ?= tests/base tests/cli tests/data tests/models tests/serving/core tests/serving/protocol

matrix:
	@for version in 3.10 3.11 3.12 3.13; do \
	  $(MAKE) PYTHON=python$$version matrix-one || exit 1; \
	done
	$(MAKE) OLDEST=1 matrix-one

matrix-one: $(VENV)/.installed-for-tests
	$(PYTEST) $(MATRIX)

soak: $(VENV)/.installed-for-tests
	$(PYTEST) -m long
	$(BIN)/python tests/faults/kills/soak.py
	$(BIN)/python tests/faults/nights/soak.py
	$(BIN)/python tests/faults/server/inputs.py
	$(BIN)/python tests/faults/damage/trials.py --write
	$(BIN)/python tests/faults/fuzz/fuzz.py --inputs=1000000 --seconds=600 --write
	SOAK_SECONDS=$${SOAK_SECONDS:-3600} $(BIN)/python tests/faults/server/soak.py

gate: style
	$(PYTEST) -m "long or not long"

BOXED := exports/boxed/tflite/tiny/1

boxed: $(VENV)/.installed
	rm -rf exports/boxed
	$(BIN)/digitline prepare
	$(BIN)/digitline train --model=tiny --workdir=runs/boxed
	$(BIN)/digitline evaluate --workdir=runs/boxed --corruptions
	$(BIN)/digitline export --workdir=runs/boxed --export_dir=exports/boxed --formats=tflite \
	  --tflite_variants=float32 --min_accuracy=0.99
	cp $(addprefix $(BOXED)/, model.tflite labels.txt pictures.json MODEL_CARD.md) serving/boxed
	@# Where the dataset lay on this machine is nobody else's business.
	sed '/^ *"data_dir":/d; /^  "digest":/d' $(BOXED)/manifest.json > serving/boxed/manifest.json

UV := $(BIN)/uv pip compile --quiet --no-annotate --no-emit-index-url --python-version 3.10 \
  --custom-compile-command "make lock" setup.py

lock: $(VENV)/.made
	$(PIP) uv
	$(UV) --universal --generate-hashes --constraint constraints.txt -o requirements.txt
	$(UV) --universal --generate-hashes --constraint constraints.txt --extra test \
	  -o requirements-test.txt
	$(UV) --no-deps --resolution lowest-direct -o $(VENV)/oldest.txt
	$(UV) --extra tools --constraint $(VENV)/oldest.txt -o constraints-oldest.txt

clean:
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so that an interrupted set-up starts again.
$(VENV)/.made:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.10); do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	      2>/dev/null; then \
	    echo "making $(VENV) with $$($$python --version)"; \
	    $$python -m venv --clear $(VENV) && touch $@ && exit 0; exit 1; \
	  fi; \
	done; \
	echo "digitline needs Python 3.10 to 3.13 with its venv module (Debian: apt-get install" \
	  "python3-venv); make PYTHON=/path/to/python3 names one" >&2; \
	exit 1

ifdef OLDEST

$(VENV)/.installed: $(VENV)/.made setup.py pyproject.toml constraints-oldest.txt
	@echo "installing digitline and the oldest packages that it admits"
	$(PIP) --constraint constraints-oldest.txt --editable .
	@touch $@

$(VENV)/.installed-for-tests: $(VENV)/.installed
	@echo "installing what the tests need"
	$(PIP) --constraint constraints-oldest.txt --editable '.[tools]'
	@touch $@

else

$(VENV)/.installed: $(VENV)/.made setup.py pyproject.toml requirements.txt
	@echo "installing digitline and what it needs (about 700 MB to download)"
	$(LOCKED) requirements.txt
	$(EDITABLE)
	@touch $@

$(VENV)/.installed-for-tests: $(VENV)/.installed requirements-test.txt
	@echo "installing what the tests need"
	$(LOCKED) requirements-test.txt
	@# pyright reads no import hooks: it finds digitline by this link, whatever the checkout's name.
	@mkdir -p $(VENV)/checkout && ln -sfn ../.. $(VENV)/checkout/digitline
	@touch $@

endif
