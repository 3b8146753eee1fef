# make app: run the app, setting everything up on first use.   make test: lint, types and tests.
PYTHON ?= python3
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: app test lint browser clean
.DELETE_ON_ERROR:

app: $(VENV)/.app
	@$(BIN)/python -m explorer demo path >/dev/null
	@$(BIN)/python -m explorer app --port $(PORT)

test: $(VENV)/.dev browser lint
	@$(BIN)/python -m explorer demo path >/dev/null
	@$(BIN)/python -m explorer demo build >/dev/null
	$(BIN)/pytest -n 2 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

browser:
ifeq ($(CHROMIUM),)
	@echo "Installing Chromium for the browser tests"
	-apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium
endif

$(VENV)/.app: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "Setting up $(VENV) (a few minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.app
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV)
