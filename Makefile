# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs in .venv.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/.installed

# Tests and `up` start many processes: what Python has compiled once is not compiled for each of them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test programs lint format bench sbom audit lock clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)  ## set up .venv from the lock file

# The stubs are compiled while the package is installed, so a changed .proto installs it anew.
$(STAMP): pyproject.toml uv.lock proto/build_hook.py $(shell find proto -name '*.proto')
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else "mirrordiff needs Python 3.11 or newer, and $(PYTHON) is %d.%d: make PYTHON=python3.12 ..." % v)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv sync --quiet --locked --all-extras --inexact --compile-bytecode --reinstall-package mirrordiff
	@touch $(STAMP)

demo: $(STAMP)  ## v1, a v2 with planted faults, a real Envoy between: watch it find them (ONCE=1: end with the gate's exit code)
	@$(BIN)/mirrordiff demo $(if $(ONCE),--once)

# A worker for each core, with servers of its own, and one more, as tests wait a third of the time; one that is
# done takes over what is left to another.
test: $(STAMP) $(if $(ARGS),,programs)  ## all tests
	@$(BIN)/python -m pytest $(or $(ARGS),--numprocesses=$$(($$(nproc) + 1)) --dist=worksteal)

# No wheel brings these. Debian's are installed where that is allowed. Elsewhere the browser is asked for, and
# what needs promtool or a Redis 7 is skipped, with the reason.
programs:
	@browser=$$({ command -v chromium || command -v google-chrome; } && command -v chromedriver); \
	missing="$$([ "$$browser" ] || echo chromium chromium-driver) \
	    $$(command -v promtool >/dev/null || echo prometheus) \
	    $$(command -v redis-server >/dev/null || echo redis-server)"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    if [ "$$(echo $$missing)" ]; then \
	        apt-get update --quiet && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	            apt-get install --yes --quiet --no-install-recommends $$missing; \
	    fi; \
	elif [ -z "$$browser" ]; then \
	    echo "The report page is tested in Chromium: install chromium and chromedriver first" \
	        "(Debian: apt-get install chromium chromium-driver)." >&2; exit 1; \
	fi

lint: $(STAMP)  ## style and types, as CI sees them
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP)  ## apply the style
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

bench: $(STAMP)  ## speed and memory, measured here and now
	@$(BIN)/python -m tests.bench $(ARGS)

sbom: $(STAMP)  ## what an installation consists of, with digests, as CycloneDX in dist/sbom.json
	@mkdir -p dist
	@$(BIN)/uv export --quiet --preview-features sbom-export --locked --all-extras --no-dev --format cyclonedx1.5 --output-file dist/sbom.json

# Asks osv.dev, which has the advisories of PyPI's packages.
audit: $(STAMP)  ## known vulnerabilities in what uv.lock pins
	@$(BIN)/uv audit --preview-features audit-command --locked

lock:  ## take newer dependencies into uv.lock
	@$(BIN)/uv lock --upgrade

clean:  ## remove what the commands above made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	find proto -name '*_pb2*.py*' -delete
