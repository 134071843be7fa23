# The template's commands. Each does its own set-up; what they make lies in build/ and, for checks in place,
# in git-ignored folders of the service. A recipe that lasts is one `exec`, so that a signal to make ends it.

SERVICE := {{cookiecutter.project_slug}}
VENV := build/venv
RUN := exec env PYTHONPYCACHEPREFIX="$(CURDIR)/build/pycache" $(VENV)/bin/python
SERVICE_MAKE := exec $(MAKE) --no-print-directory -C "$(SERVICE)"
YAML_RULES := {extends: default, rules: {line-length: {max: 120}, comments: {min-spaces-from-content: 1}}}

export UV_CACHE_DIR ?= $(CURDIR)/build/cache/uv
export PIP_CACHE_DIR ?= $(CURDIR)/build/cache/pip

.PHONY: help run bench test check lint types test-quick test-slow test-in-place check-service fix lock clean
.PHONY: free-ports set-up
.NOTPARALLEL:

help: ## Show these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 12

run: free-ports set-up ## Generate the default service into build/, set it up and serve it (PORT=8000)
	@$(RUN) -m development.run

bench: set-up ## Measure the default service in build/, side by side with bare FastAPI; PEERS=1 with other templates, too
	@$(RUN) -m development.run bench

test: lint types test-quick test-slow ## Everything that must hold, generated services' own checks included

check: lint types test-in-place check-service ## All checks and tests of the service as it stands here, before it is generated

lint: set-up
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@exec $(VENV)/bin/yamllint --strict -d '$(YAML_RULES)' .github
	@exec $(VENV)/bin/zizmor --offline --quiet .github
	@exec $(VENV)/bin/shellcheck .ci/run

types: set-up
	@$(RUN) -m mypy

test-quick: set-up ## Tests that take seconds, in parallel
	@$(RUN) -m pytest -n auto -m "not slow"

test-slow: set-up ## Tests that set up whole services, one after the other
	@$(RUN) -m pytest -m slow

test-in-place: set-up
	@$(RUN) -m pytest tests/test_hooks.py tests/test_hygiene.py

check-service:
	@$(SERVICE_MAKE) check

free-ports:
	@cd "$(SERVICE)" && exec env PYTHONPYCACHEPREFIX="$(CURDIR)/build/pycache" sh development/find_python.sh \
		-m development.ports "$(CURDIR)/build/my-service"

set-up:
	@exec env PYTHONPYCACHEPREFIX="$(CURDIR)/build/pycache" sh "$(SERVICE)/development/find_python.sh" \
		"$(SERVICE)/development/set_up.py" --venv $(VENV) --requirements requirements/development.txt --no-project

fix: set-up ## Format and repair what can be repaired
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

lock: set-up ## Renew requirements/development.txt, in step with the service's pins
	@exec $(VENV)/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
		--no-emit-index-url --no-annotate --custom-compile-command "make lock" \
		--constraint "$(SERVICE)/requirements/development.txt" \
		requirements/development.in --output-file requirements/development.txt

clean: ## Remove everything generated
	@for folder in "$(SERVICE)" build/*/; do \
		if [ -f "$$folder/Makefile" ]; then $(MAKE) --no-print-directory -C "$$folder" clean || exit; fi; \
	done
	rm -rf build
