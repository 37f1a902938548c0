# Needs Python 3.11 or later, and make. Everything else goes into .venv/, and `make clean` takes it away.

PYTHON ?= $(shell for p in python3 python3.15 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
DEFAULT = .venv/$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')/bin

.PHONY: help python docs docs-links pictures test compat stress cluster harm explore soak leaks demo lint types layers format bench bench-core bench-cluster bench-startup bench-control services sdist clean
.DEFAULT_GOAL := help

help:
	@echo "make test        tests on every CPython 3.11 to 3.15 found here, lint, types, layers"
	@echo "make demo        a worker pool under 'sigtask run', told to stop by real signals"
	@echo "make docs        the site, into build/docs; warnings are errors (make docs-links also asks other sites' links)"
	@echo "make compat      CPython's own asyncio tests and those of five libraries on our tasks, against stock ones"
	@echo "make stress      100,000 signals to functions in threads, each at the moment the function ends, on every CPython"
	@echo "make cluster     jobs on a Dask cluster of real processes, which are killed, blocked and frozen, on the newest"
	@echo "                 Dask and on the oldest that is supported; some five minutes"
	@echo "make harm        a hundred programs under plain Python and under sigtask, told to stop in all ways: the same or"
	@echo "                 better, never worse; on 3.11, 3.13 and 3.15, some forty minutes; writes docs/harm.md"
	@echo "make explore     signals at every await of a dozen real libraries; writes docs/explored.md"
	@echo "make soak        random programs against a model of the rules, and a million tasks: ten minutes"
	@echo "make leaks       counts that stay flat over a million tasks, spawned, signalled and ended"
	@echo "make sdist       the sdist, and its own tests from it, in an environment of its own"
	@echo "make lint        ruff: rules and format"
	@echo "make types       mypy and pyright, both strict"
	@echo "make layers      imports point down"
	@echo "make format      let ruff mend what it can"
	@echo "make bench       sigtask beside asyncio and six other libraries, in one run; some twenty minutes"
	@echo "make services    what SignalMiddleware costs a request, and a service on PostgreSQL that is stopped under load,"
	@echo "                 beside peers (needs wrk and postgresql); some forty minutes"
	@echo "make bench-core  what a task costs against asyncio's own (needs valgrind)"
	@echo "make bench-startup  what 'sigtask run' adds to the start of a program, and what it imports; two minutes"
	@echo "make bench-control  what it costs to be looked at by 'sigtask top', and how long that holds a loop; a minute and a half"
	@echo "make bench-cluster  30,000 jobs on a Dask cluster of two workers, told to stop in one call; ten minutes and more"
	@echo "make clean       remove what the others made"

python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later was found on PATH." >&2; exit 1; }

test docs docs-links pictures compat stress cluster lint types layers format: python
	@$(PYTHON) tools/check.py $@

demo: python
	@$(PYTHON) tools/check.py venv
	@$(DEFAULT)/python examples/demo.py

harm: python
	@$(PYTHON) tools/check.py venvs
	@$(DEFAULT)/python tests/harm/harm.py $(if $(HARM),$(HARM),--write docs/harm.md)

explore: python
	@$(PYTHON) tools/check.py venv
	@$(DEFAULT)/python -m pip install -q aiohttp aiosqlite anyio asyncpg httpx 'psycopg[binary]' redis websockets
	@$(DEFAULT)/python tests/explored/explored.py $(if $(EXPLORE),$(EXPLORE),--late --write docs/explored.md)

soak: python
	@$(PYTHON) tools/check.py venv
	@$(DEFAULT)/python tests/props/soak.py --minutes 10 --tasks 0 $(SOAK) & other=$$!; \
	$(DEFAULT)/python tests/props/soak.py --minutes 10 $(SOAK); status=$$?; wait $$other && exit $$status

leaks: python
	@$(PYTHON) tools/check.py venv
	@$(DEFAULT)/python tests/props/leaks.py $(LEAKS)

bench: python
	@$(PYTHON) tools/check.py venv
	@$(PYTHON) bench/bench.py $(BENCH)

bench-core: python
	@$(PYTHON) tools/check.py venvs
	@$(PYTHON) bench/core.py $(BENCH)

services: python
	@$(PYTHON) tools/check.py venv
	@for peer in aiofence fastapi-disconnect; do $(DEFAULT)/python -m pip install -q $$peer || \
		echo "$$peer is not to be had for this Python; going on without"; done
	@$(DEFAULT)/python bench/services.py $(BENCH)
	@$(DEFAULT)/python bench/stops.py $(STOPS)

bench-startup: python
	@$(PYTHON) tools/check.py venv
	@$(DEFAULT)/python bench/startup.py $(BENCH)

bench-control: python
	@$(PYTHON) tools/check.py venv
	@$(DEFAULT)/python bench/control.py $(BENCH)

bench-cluster: python
	@$(PYTHON) tools/check.py venv
	@mkdir -p build && $(DEFAULT)/python bench/cluster.py --json build/cluster.json $(BENCH)
	@$(DEFAULT)/python bench/cluster_model.py build/cluster.json

sdist: python
	@$(PYTHON) tools/check.py venv
	@$(DEFAULT)/python tools/sdist.py

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f src/sigtask/_core/speed.*.so src/sigtask/_core/speed.*.pyd
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
