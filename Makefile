# `make quickstart` and `make test` do all their own set-up, in .venv.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# The processes that tests start find compiled modules, also where the shell forbids to write them.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help quickstart style lint test soak gate boxed clean

help:
	@echo "make quickstart   MNIST from raw bytes to a verified SavedModel and TFLite file"
	@echo "make test         lint, types and tests"
	@echo "make soak         the long tests, kills, damaged files, odd requests, an hour of attacks"
	@echo "make gate         lint, types and all tests, the long ones too: before a release"
	@echo "make boxed        trains the small model that comes with digitline again"
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

soak: $(VENV)/.installed-for-tests
	$(PYTEST) -m long
	$(BIN)/python tests/faults/kills/soak.py
	$(BIN)/python tests/faults/server/inputs.py
	$(BIN)/python tests/faults/damage/trials.py --write
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

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
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

$(VENV)/.installed: $(VENV)/.made setup.py pyproject.toml constraints.txt
	@echo "installing digitline and what it needs (about 700 MB to download)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-for-tests: $(VENV)/.installed
	@echo "installing what the tests need"
	$(PIP) --editable '.[test]'
	@# pyright reads no import hooks: it finds digitline by this link, whatever the checkout's name.
	@mkdir -p $(VENV)/checkout && ln -sfn ../.. $(VENV)/checkout/digitline
	@touch $@
