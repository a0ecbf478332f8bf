# CI runs these same targets. PYTHON picks the interpreter the virtual environment is made with.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Four workers share one control plane; those that are done take over tests that others still have before them.
PYTEST_ARGS ?= -n 4 --dist worksteal

.PHONY: demo test lint bench chaos fuzz dist image image-test cluster lock clean

demo: $(VENV)/.installed
	@$(BIN)/k8s-step demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every row of docs/performance.md beside kubectl, and kapp where KAPP names it; RUNS=… of each, PUBLISH=1 writes the page.
bench: $(VENV)/.dev
	@$(BIN)/python -m tests.bench $(if $(RUNS),--runs $(RUNS)) $(if $(PUBLISH),--publish) $(if $(NOTE),--note "$(NOTE)")

# Releases while the cluster breaks, judged by etcd's own history; 20 minutes, or RUNS=… from SEED=… on.
chaos: $(VENV)/.dev
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PLAN),--plan)

# Spoilt input of all kinds; ten minutes, or RUNS=… of each TARGET=… from SEED=… on. SHOW=1 prints a case and its output.
fuzz: $(VENV)/.dev
	@$(BIN)/python -m tests.fuzz $(if $(TARGET),--target $(TARGET)) $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) \
	  $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SHOW),--show)

cluster: $(VENV)/.dev
	@$(BIN)/python -m tests.controlplane

# The source distribution, and the wheel made of it; a release publishes both.
dist: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist

# ENGINE=podman or ENGINE=buildah does it as well.
ENGINE ?= docker
image:
	$(ENGINE) build -t k8s-step \
	  --build-arg VERSION=$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' k8s_step/__init__.py) \
	  --build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(git log -1 --format=%cI) \
	  --build-arg SOURCE="$$(git remote get-url origin 2>/dev/null | sed 's|://[^/]*@|://|')" .

# Builds the image with buildah, as root, and starts it every way a pipeline does. K8S_STEP_TEST_BASE names a base to be
# pulled; without it debootstrap makes one.
image-test: $(VENV)/.dev
	$(BIN)/python -m pytest tests/image

# The header names what the update bot runs (it knows few options); find-links are this machine's own.
LOCK = pip-compile --allow-unsafe --generate-hashes --no-emit-index-url --strip-extras
lock: $(VENV)/.dev
	for words in "--extra=cel --extra=jinja --extra=socks --output-file=requirements.lock pyproject.toml" \
	  "--extra=dev --output-file=requirements-dev.lock pyproject.toml" \
	  "--output-file=requirements-build.lock requirements-build.in"; do \
	  CUSTOM_COMPILE_COMMAND="$(LOCK) $$words" $(BIN)/$(LOCK) --quiet --no-emit-find-links $$words || exit 1; \
	done

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.installed
	@$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
