# make app: run the app, setting everything up on first use. make test: lint, types, and the tests that take under 10
# minutes on 2 cores, some of them in a real browser; make slow: the rest of them. CI runs both.
PYTHON ?= python3
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# A lock names every package with the hashes of its files. torch stands apart, as the one package whose builds (for a
# processor, for CUDA) have different hashes under one version; so do the packages that only its CUDA build needs.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-annotate --custom-compile-command "make lock"
TORCH := torch triton cuda-bindings cuda-pathfinder cuda-toolkit $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc \
	cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: app test slow lint lock audit browser clean
.DELETE_ON_ERROR:

app: $(VENV)/.app
	@$(BIN)/python -m explorer demo path >/dev/null
	@$(BIN)/python -m explorer app --port $(PORT)

test: $(VENV)/.dev browser lint
	@$(BIN)/python -m explorer demo path >/dev/null
	@$(BIN)/python -m explorer demo build >/dev/null
	$(BIN)/pytest -n 2 --dist worksteal

slow: $(VENV)/.dev browser
	@$(BIN)/python -m explorer demo path >/dev/null
	@$(BIN)/python -m explorer demo build >/dev/null
	$(BIN)/pytest -n 2 --dist worksteal -m slow

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

lock: $(VENV)/.app
	@$(PIP) uv==0.13.9
	$(LOCK) $(addprefix --no-emit-package ,$(TORCH)) requirements.txt -o requirements.lock
	sed '/^-r/d' requirements-dev.txt | $(LOCK) -c requirements.lock - -o requirements-dev.lock

audit:
	@test -x $(VENV)-audit/bin/pip-audit || $(PYTHON) -m venv $(VENV)-audit
	@$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	grep '^torch==' requirements.txt | $(VENV)-audit/bin/pip-audit --strict --no-deps --disable-pip -r /dev/stdin
	$(VENV)-audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock -r requirements-dev.lock

$(VENV)/.app: requirements.txt requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "Setting up $(VENV) (a few minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --no-deps --require-hashes -r requirements.lock
	@$(PIP) $(shell grep '^torch==' requirements.txt)
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements-dev.lock $(VENV)/.app
	@$(PIP) --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV)
