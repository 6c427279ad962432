# `make` alone lists the verbs. Each verb first makes the virtual environment it needs, again when its description
# changes. The serving verbs also work from another folder (`make -f`) and import modules of that folder.

HERE := $(dir $(lastword $(MAKEFILE_LIST)))

PYTHON ?= python3
VENV ?= $(HERE).venv

PORT ?= 8000
# Not from the environment, where shells and compilers have a HOST of their own.
HOST = $(or $(MODEL_SERVING_HOST),127.0.0.1)
NUM_WORKERS ?= 2
WORKER_CLASS ?=
LOG_LEVEL ?= info
SERVER ?= gunicorn
COMMAND_UNCACHED ?= examples.example_serving_handler:run_app()
COMMAND_CACHED ?= examples.example_serving_handler_cached:run_app()

# What a test starts imports what the last one has imported: without bytecode each start costs twice the time. It is
# kept beside the environment, whatever PYTHONDONTWRITEBYTECODE says, so that the checkout stays clean.
test test-all test-gevent test-versions coverage: export PYTHONDONTWRITEBYTECODE =
test test-all test-gevent test-versions coverage: export PYTHONPYCACHEPREFIX = $(abspath $(VENV))/pycache

# Tests of one file share the servers that it starts, so a file is never split between processes. Files come in the
# order of their names: by their numbers of tests, those with few and slow ones would be left for the end.
TEST_PROCESSES ?= 3

ARGS ?=
PROTO_OUT ?= .

VENV_PYTHON = "$(VENV)/bin/python"
PYTEST = $(VENV_PYTHON) -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
# Modules are compiled when they are first imported, which is few of them, and not at once, which doubles the time.
PIP_INSTALL = $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --no-compile
DESCRIPTION = $(HERE)setup.cfg $(HERE)pyproject.toml $(HERE)requirements.txt
SERVING = $(VENV)/.serving
DEVELOPMENT = $(VENV)/.development

# One line for each server that SERVER can name; "$$target" is the app as `module:callable()`.
SERVE_gunicorn = $(VENV_PYTHON) -m gunicorn --config "$(HERE)gunicorn.conf.py" --pythonpath "$(HERE)" \
	--bind "$(if $(findstring :,$(HOST)),[$(HOST)],$(HOST)):$(PORT)" --workers "$(NUM_WORKERS)" --worker-class "$(or $(WORKER_CLASS),asgi)" \
	--log-level "$(LOG_LEVEL)" "$$target"

# granian makes the app by calling what stands before "()"; its modules are found as Gunicorn finds them.
SERVE_granian = env PYTHONPATH="$(HERE)$${PYTHONPATH:+:$$PYTHONPATH}" $(VENV_PYTHON) -m granian \
	--interface $(if $(filter-out asgi,$(WORKER_CLASS)),wsgi,asgi) --host "$(HOST)" --port "$(PORT)" \
	--workers "$(NUM_WORKERS)" --workers-kill-timeout 25 --log-level "$(LOG_LEVEL)" \
	$$([ "$$target" = "$${target%()}" ] || echo --factory) "$${target%()}"
NEEDED_BY_granian = $(VENV)/.granian

TELL_granian = $(if $(filter 127.% localhost ::1,$(HOST)),echo "Only this machine reaches it: HOST=0.0.0.0 opens it to others";)

# What few need, and torch is large, is installed when the example that needs it is asked for.
NEEDED_BY_EXAMPLE = $(if $(or $(findstring examples.digits,$(COMMAND_UNCACHED)),$(findstring examples.characters,$(COMMAND_UNCACHED))),$(VENV)/.torch) \
	$(if $(findstring examples.img2img,$(COMMAND_UNCACHED)),$(VENV)/.media)

# Version 2 named an app by a dotted path that ends in a call: its last dot becomes the colon.
define serve
@target=$$(printf '%s\n' "$$COMMAND" | sed -E 's/^([^:(]+)\.([^.:(]+\(.*)$$/\1:\2/') && \
	$(TELL_$(SERVER)) exec $(or $(SERVE_$(SERVER)),$(error SERVER=$(SERVER) is not known; it can be gunicorn or granian))
endef

define make_venv
@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || \
	{ echo "$(PYTHON) has to be Python 3.10 to 3.13: name another one, as in make PYTHON=python3.12" >&2; exit 1; }
$(PYTHON) -m venv "$(VENV)"
endef

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help dev example-service example-service-cached test test-all test-gevent test-versions coverage lint format types check audit docs bench faults fuzz soak proto clean

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-24s %s\n", $$1, $$2 }' "$(firstword $(MAKEFILE_LIST))"
	@echo
	@echo "The services take HOST=$(HOST) (0.0.0.0 opens them to others) PORT=$(PORT) NUM_WORKERS=$(NUM_WORKERS) WORKER_CLASS=asgi (or gevent, gthread, sync)"
	@echo "LOG_LEVEL=$(LOG_LEVEL) SERVER=$(SERVER) (or granian, which speaks ASGI, or WSGI with any other WORKER_CLASS)"
	@echo "and COMMAND_UNCACHED or COMMAND_CACHED='some.module:run_app()'."
	@echo "The tests take ARGS, as in make test ARGS='-k schema', and run in TEST_PROCESSES=$(TEST_PROCESSES);"
	@echo "a debugger wants the one that it is called in: make test TEST_PROCESSES=0 ARGS=--pdb."

dev: $(DEVELOPMENT) ## Make .venv with everything that work on this project needs

example-service: export COMMAND = $(COMMAND_UNCACHED)
example-service: $(SERVING) $(NEEDED_BY_$(SERVER)) $(NEEDED_BY_EXAMPLE) ## Serve the example, or the app that COMMAND_UNCACHED names
	$(serve)

example-service-cached: export COMMAND = $(COMMAND_CACHED)
example-service-cached: $(SERVING) $(NEEDED_BY_$(SERVER)) ## Serve the example that caches, or the app that COMMAND_CACHED names
	$(serve)

test: $(DEVELOPMENT) ## Run the tests: each capability and each server once, in minutes
	$(PYTEST) $(ARGS)

test-all: $(DEVELOPMENT) ## Run every test: all capabilities on all servers, faults, the browser, fuzzing
	$(PYTEST) --full $(ARGS)

coverage: $(DEVELOPMENT) ## Report which lines `make test` runs, those of the started services included
	$(VENV_PYTHON) -m coverage erase
	$(VENV_PYTHON) -m coverage run -m pytest -p no:cacheprovider $(ARGS)
	$(VENV_PYTHON) -m coverage combine --quiet
	$(VENV_PYTHON) -m coverage report

test-versions: $(DEVELOPMENT) ## Run the in-process tests on the lowest versions allowed, and on every Python here
	$(VENV_PYTHON) scripts/test_versions.py $(ARGS)

test-gevent: $(DEVELOPMENT) ## Run the in-process tests in an interpreter that gevent has patched
	$(VENV_PYTHON) -m tests.under_gevent --part=1/2 $(ARGS) & first=$$!; \
	$(VENV_PYTHON) -m tests.under_gevent --part=2/2 $(ARGS); second=$$?; wait $$first && exit $$second

lint: $(DEVELOPMENT) ## Look for mistakes and for code that `make format` would change
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) scripts/unasync.py --check

format: $(DEVELOPMENT) ## Format the code and mend what can be mended by itself
	$(VENV_PYTHON) -m ruff check --fix .
	$(VENV_PYTHON) -m ruff format .

types: $(DEVELOPMENT) ## Check the types
	$(VENV_PYTHON) -m mypy

check: lint types test ## Do all that has to pass before a change goes in

audit: $(DEVELOPMENT) ## Look for pinned requirements that are withdrawn, gone, incomplete or not what is installed
	$(VENV_PYTHON) scripts/audit_requirements.py

docs: $(DEVELOPMENT) ## Build the documentation into build/site
	NO_MKDOCS_2_WARNING=1 $(VENV_PYTHON) -m mkdocs build --strict

bench: $(DEVELOPMENT) $(VENV)/.fast ## Measure speed against other servers
	$(VENV_PYTHON) -m bench $(ARGS)

faults: $(DEVELOPMENT) ## Kill, end and fill services under load, and write what clients see of it into the guide
	$(VENV_PYTHON) -m tests.faults $(ARGS)

fuzz: $(DEVELOPMENT) ## Send mutated requests, as long as ARGS="--seconds 600" says; ARGS=schemas fuzzes the schemas
	$(VENV_PYTHON) -m tests.fuzz $(ARGS)

soak: $(DEVELOPMENT) ## Look for what a mixed load leaves behind, on each worker class for 6 minutes, or as ARGS="--seconds 600 asgi" says
	$(VENV_PYTHON) -m tests.soak $(ARGS)

proto: $(DEVELOPMENT) ## Generate the examples' protobuf modules again, below PROTO_OUT
	$(VENV_PYTHON) -m grpc_tools.protoc --proto_path=. --python_out="$(PROTO_OUT)" examples/*.proto

clean: ## Remove the virtual environment and everything else that was made here
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(SERVING): $(DESCRIPTION)
	$(make_venv)
	$(PIP_INSTALL) --constraint "$(HERE)requirements.txt" --editable "$(HERE)[examples]"
	@touch "$@"

$(VENV)/.granian: $(SERVING)
	$(PIP_INSTALL) --constraint "$(HERE)requirements.txt" granian
	@touch "$@"

$(VENV)/.torch: $(SERVING) $(HERE)requirements-torch.txt
	$(PIP_INSTALL) --constraint "$(HERE)requirements.txt" --requirement "$(HERE)requirements-torch.txt"
	@touch "$@"

$(VENV)/.media: $(SERVING)
	$(PIP_INSTALL) --constraint "$(HERE)requirements.txt" --editable "$(HERE)[media]"
	@touch "$@"

$(VENV)/.fast: $(SERVING) $(HERE)requirements-fast.txt
	$(PIP_INSTALL) --constraint "$(HERE)requirements.txt" --requirement "$(HERE)requirements-fast.txt"
	@touch "$@"

# The development set holds the serving set, granian and media, so that it answers for all.
$(DEVELOPMENT): $(DESCRIPTION)
	$(make_venv)
	$(PIP_INSTALL) --requirement "$(HERE)requirements.txt" --editable "$(HERE)"
	@touch "$(SERVING)" "$(VENV)/.granian" "$(VENV)/.media" "$@"
