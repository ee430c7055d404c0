# Hubbub's commands. `make` alone lists them; each sets up what it needs and repeats nothing.
#
# One environment, .venv, serves all of them: what tests need is added to what running needs, and the
# locks never disagree about a version. Files named .venv/.* are stamps that say what was installed.

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
PAGE := web/graphiql
CLIENTS := tests/clients
CODEGEN := tests/codegen
RESUME := web/packages/resume
PROGRAMS := $(CLIENTS)/node_modules/.package-lock.json $(CODEGEN)/node_modules/.package-lock.json

# The environment is named, whatever is active in the shell. Compiling at once halves the time in which
# Hubbub starts where Python may not write beside its modules (PYTHONDONTWRITEBYTECODE).
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
# npm and what its scripts start use the locked Node in .venv, and none that the system may have.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --no-audit --no-fund --no-update-notifier

PAGE_SOURCES := $(shell find $(PAGE) \( -name node_modules -o -name dist \) -prune \
	-o -type f ! -name '*.tsbuildinfo' -print 2>/dev/null)

# Neither uv nor Node asks the system whom to trust. Behind a company's proxy they have to.
ifndef SSL_CERT_FILE
export UV_SYSTEM_CERTS := 1
export NODE_USE_SYSTEM_CA := 1
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test check format lock wheel bench faults simulate agree fuzz screenshots clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: .venv/.runtime $(PAGE)/dist/index.html ## Start Hubbub on this machine; the first time, set it up
	@exec $(BIN)/hubbub serve $(ARGS)

demo: .venv/.runtime $(PAGE)/dist/index.html ## Fill an empty server with people who are already talking
	@exec $(BIN)/hubbub demo $(ARGS)

test: .venv/.dev $(PAGE)/dist/index.html $(PROGRAMS) $(RESUME)/dist/index.js ## Run the tests; ARGS="-k words" picks some
	@$(BIN)/python -m pytest $(ARGS)

check: .venv/.dev $(PAGE)/node_modules/.package-lock.json $(RESUME)/node_modules/.package-lock.json ## Check style, types, layers, locks and the printed schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .
	$(BIN)/uv pip check --python $(BIN)/python
	$(BIN)/python -m pytest -q tests/house/test_locks.py tests/house/test_names.py
	$(BIN)/hubbub schema --check
	cd $(PAGE) && $(NPM) run --silent check
	cd $(RESUME) && $(NPM) run --silent check

format: .venv/.dev ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Each lock is held to the ones before it, so that installing two of them never changes a version.
lock: .venv/.uv ## Resolve the dependencies again; ARGS=--upgrade takes newer ones
	$(COMPILE) $(ARGS) --group bootstrap -o requirements/bootstrap.txt
	$(COMPILE) $(ARGS) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) $(ARGS) --group build -c requirements/runtime.txt -o requirements/build.txt
	$(COMPILE) $(ARGS) --group dev --all-extras pyproject.toml -c requirements/runtime.txt \
		-c requirements/build.txt -o requirements/dev.txt
	$(COMPILE) $(ARGS) --group synapse -o requirements/synapse.txt

wheel: .venv/.runtime $(PAGE)/dist/index.html ## Build the sdist, and of it the wheel, into dist/
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist
	@ls dist

bench: .venv/.dev $(PAGE)/dist/index.html ## Measure, and compare with the figures in bench/RESULTS.md
	@$(BIN)/python -m bench $(ARGS)

faults: .venv/.dev ## Hurt real nodes under load and check what clients saw; ARGS="--minutes 20"
	@$(BIN)/python -m tests.faults $(ARGS)

simulate: .venv/.dev ## Run seeds of the simulation, or one with all that happens; ARGS="--seed 12"
	@$(BIN)/python -m tests.simulation $(ARGS)

agree: .venv/.dev ## Random doings of people against a plain model, on both databases; ARGS="--seeds 200"
	@$(BIN)/python -m tests.agreement $(ARGS)

fuzz: .venv/.dev ## Send odd requests and frames to a real server; ARGS="--minutes 20"
	@$(BIN)/python -m tests.fuzz $(ARGS)

screenshots: ## Copy the screenshots of the last test run into the docs
	@ls build/screenshots/*.png >/dev/null 2>&1 || \
		{ echo "build/screenshots holds none: run 'make test' with Chromium installed."; exit 1; }
	@mkdir -p docs/images && cp build/screenshots/*.png docs/images/ && ls docs/images

clean: ## Remove what these commands made; your data stays
	rm -rf .venv build dist $(PAGE)/dist $(PAGE)/node_modules $(CLIENTS)/node_modules
	rm -rf $(CODEGEN)/node_modules $(RESUME)/dist $(RESUME)/node_modules
	rm -rf bench/peers/node/node_modules
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# --- set-up ----------------------------------------------------------------------------------------

# An environment that works is kept; one whose Python went away or is too old is made anew.
.venv/.uv: requirements/bootstrap.txt $(shell test -x $(BIN)/python || echo python-went-away)
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
			echo "Hubbub needs Python 3.11 or newer, and '$(PYTHON)' is not one:" \
				"$$($(PYTHON) --version 2>&1)."; \
			echo "Install one, or name it if it has another name: make PYTHON=python3.12 $(MAKECMDGOALS)"; \
			exit 1; }; \
		$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "'$(PYTHON)' comes without its venv module, which Hubbub needs to install into .venv."; \
			echo "Install it (Debian and Ubuntu: apt install python3-venv) and run make again."; \
			exit 1; }; \
		echo "Creating .venv with $$($(PYTHON) --version)"; \
		$(PYTHON) -m venv --clear .venv; }
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r $<
	@touch $@

python-went-away: ;

.venv/.runtime: .venv/.uv requirements/runtime.txt requirements/build.txt pyproject.toml hatch_build.py
	@echo "Installing Hubbub's packages"
	@$(INSTALL) --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	@echo "Installing what tests and checks need"
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# .package-lock.json is npm's own note of what it installed.
$(PAGE)/node_modules/.package-lock.json: $(PAGE)/package-lock.json | .venv/.runtime
	@echo "Installing the GraphiQL page's packages"
	@cd $(PAGE) && $(NPM) ci --loglevel=error >/dev/null
	@touch $@

$(PAGE)/dist/index.html: $(PAGE)/node_modules/.package-lock.json $(PAGE_SOURCES)
	@echo "Building the GraphiQL page"
	@cd $(PAGE) && log=$$($(NPM) run build 2>&1) || { echo "$$log"; exit 1; }
	@touch $@

$(CLIENTS)/node_modules/.package-lock.json: $(CLIENTS)/package-lock.json | .venv/.runtime
	@echo "Installing the clients that the tests use"
	@cd $(CLIENTS) && $(NPM) ci --loglevel=error >/dev/null
	@touch $@

$(CODEGEN)/node_modules/.package-lock.json: $(CODEGEN)/package-lock.json | .venv/.runtime
	@echo "Installing the code generators that the tests run"
	@cd $(CODEGEN) && $(NPM) ci --loglevel=error >/dev/null
	@touch $@

$(RESUME)/node_modules/.package-lock.json: $(RESUME)/package-lock.json | .venv/.runtime
	@echo "Installing the npm package's tools"
	@cd $(RESUME) && $(NPM) ci --loglevel=error >/dev/null
	@touch $@

$(RESUME)/dist/index.js: $(RESUME)/node_modules/.package-lock.json $(RESUME)/package.json \
		$(RESUME)/tsconfig.json $(wildcard $(RESUME)/src/*.ts)
	@echo "Building the npm package"
	@cd $(RESUME) && log=$$($(NPM) run build 2>&1) || { echo "$$log"; exit 1; }
	@touch $@
