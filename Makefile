# A few verbs, each one line. PYTHON is the interpreter of the environment: `make setup` makes one in .venv.
PYTHON ?= .venv/bin/python

.PHONY: setup check test docs bench bench-table

setup:
	python3 -m venv .venv && .venv/bin/python -m pip install -q -c constraints.txt -e '.[test,check,docs]'

check:
	$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check . && $(PYTHON) -m mypy && $(PYTHON) -m pytest -q tests/test_architecture.py

test:
	$(PYTHON) -m pytest -q

docs:
	$(PYTHON) -m sphinx -q -W --keep-going -b html docs docs/_build/html

bench:
	$(PYTHON) -m benchmarks.step && $(PYTHON) -m benchmarks.evaluation && $(PYTHON) -m benchmarks.overhead && $(PYTHON) -m benchmarks.article

bench-table:
	$(PYTHON) -m benchmarks.results
