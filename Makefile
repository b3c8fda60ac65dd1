# The study's commands. `make help` lists them.
# PROFILE chooses a file of notebooks/profiles, PHOTOS a folder of photographs, sorted by breed or by
# split, or listed in a table.

PROFILE ?=
PHOTOS  ?=
# The newest Python of 3.11 to 3.13 that really starts (a version manager may leave commands that do not).
PYTHON  ?= $(firstword $(foreach python,python3.13 python3.12 python3.11 python3,$(shell $(python) -c \
             'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(python))))
BIN     := .venv/bin
# Without PROFILE, dogbreeds takes own_photos for PHOTOS, else sample.
CHOSEN   = $(if $(PROFILE),--profile '$(PROFILE)') $(if $(PHOTOS),--photos '$(PHOTOS)')
READY   := .venv/.ready
# Progress where someone watches, silence in a log.
PIP_SAYS = --disable-pip-version-check $(shell test -t 2 || echo --quiet)
# In the order of tests/conftest.py, what takes longest first.
TWO_AT_ONCE = --numprocesses 2 --dist loadfile --no-loadscope-reorder
LINT     = $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports
UV_SAYS  = $(shell test -t 2 || echo --quiet)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help study check test lab slides notebooks reference bench gpu clean pins

help: ## list the commands
	@echo "make COMMAND [PROFILE=a name in notebooks/profiles] [PHOTOS=folder]"
	@awk -F ':.*## ' '/^[a-zA-Z_.]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

study: $(READY) ## run the notebooks and the slides, print the result table; with PHOTOS: train on them (own_photos)
	@$(BIN)/dogbreeds study $(CHOSEN)

check: $(READY) ## between two edits: lint, and the tests that train no full network and need no browser
	$(LINT)
	$(BIN)/python -m pytest $(TWO_AT_ONCE) -m "not slow and not browser"

test: $(READY) ## lint, all tests, one papermill run of the study, nbval on the notebooks
	$(LINT)
	$(BIN)/python -m pytest $(TWO_AT_ONCE)

lab: $(READY) ## open JupyterLab on notebooks/, with room for photos of 200 MB to be uploaded
	$(BIN)/jupyter lab --notebook-dir=notebooks --ServerApp.tornado_settings="{'websocket_max_message_size': 200000000}"

slides: $(READY) ## render the presentation from the results of PROFILE, in French and English, as HTML and PDF
	@$(BIN)/dogbreeds slides $(CHOSEN) --language fr --pdf
	@$(BIN)/dogbreeds slides $(CHOSEN) --language en --pdf

notebooks: $(READY) ## execute the stored notebooks in place, with their default parameters
	@$(BIN)/jupyter nbconvert --log-level WARN --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False notebooks/0*.ipynb slides/presentation.ipynb

reference: $(READY) ## keep the results of PROFILE in outputs/reference, write the README's tables from there
	@$(BIN)/python tools/reference.py '$(or $(PROFILE),sample)' $(PHOTOS)

bench: $(READY) ## time the training with this library and with reference pipelines, on PHOTOS or drawn dogs
	@$(BIN)/dogbreeds bench speed $(if $(PHOTOS),--photos '$(PHOTOS)')

gpu: ## ten minutes on a GPU: tests, speeds, the study of drawn dogs; with PHOTOS, photographs for at most SECONDS
	@$(if $(wildcard $(READY)),$(BIN)/python,python3) -m dogbreeds bench gpu $(if $(PHOTOS),--photos '$(PHOTOS)') $(if $(SECONDS),--seconds '$(SECONDS)')

clean: ## remove the environment, the caches and the outputs (outputs/reference stays)
	rm -rf .venv slides/node_modules data/drawn_dogs .pytest_cache .ruff_cache .import_linter_cache lib/*.egg-info
	find outputs -mindepth 1 -maxdepth 1 ! -name reference -exec rm -rf {} +
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 with venv found: install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) from requirements.txt: one to five minutes and about 7 GB, once."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@# uv installs in a fraction of pip's time; where it cannot be had, pip does. Both compile what they install, or each
	@# process would do it anew, for ten seconds, wherever Python does not write beside the code.
	@if $(BIN)/python -m pip install $(PIP_SAYS) uv; \
	then install="$(BIN)/uv pip install --compile-bytecode $(UV_SAYS) --python $(BIN)/python"; \
	else install="$(BIN)/python -m pip install $(PIP_SAYS)"; fi; \
	$$install --requirement requirements.txt && $$install --no-deps --editable .
	@touch $(READY)

pins: ## compile requirements.txt from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command 'make pins' \
	  --group study --group benchmark --group tests pyproject.toml --output-file requirements.txt
