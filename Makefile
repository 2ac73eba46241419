# Every target is one line that you could type yourself. `make` alone lists them.
# Needed: make, and Python 3.11 under the name python3.11 or python3, or in PYTHON=/path/to/python3.11.

PYTHON ?= $(shell for p in python3.11 python3 python; do $$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$p && break; done)
INSTALL = $(or $(PYTHON),$(error Freshet needs Python 3.11, and neither python3.11 nor python3 on this machine is one; install it, or run make PYTHON=/path/to/python3.11)) -m deploy.install
RUN := .venv/bin/python
SPEED ?= 100
# The tests of a file stay in one process, since they share what its fixtures start.
PARALLEL ?= -n logical --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install install-tests install-stack install-services installed lock serve status replay rollback stack stack-status stack-down check format test test-services bench bench-full reset

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

install: ## create .venv and install requirements.txt into it
	@$(INSTALL)

install-tests:
	@$(INSTALL) --tests

install-stack:
	@$(INSTALL) --stack

install-services:
	@$(INSTALL) --tests --stack

installed:
	@test -x $(RUN) || { echo "Nothing is installed yet; run: make serve" >&2; exit 1; }
	@! grep -qs '"incomplete": true' .venv/.requirements.json || $(RUN) -c 'import alembic, httpx, psutil, tqdm' 2>/dev/null || { echo "The installation is not complete; wait for it, or run: make install" >&2; exit 1; }

lock: ## remake the lock files after a change of a requirements file
	@$(INSTALL) --lock

serve: install ## install, fetch the demo data, train, serve; DATA=path takes your own data
	@exec $(RUN) -m deploy.machine.serve $(if $(DATA),--data "$$DATA")

status: installed ## what is live, how fresh, how good
	@$(RUN) -m cron status

replay: installed ## send the rest of the data through POST /v1/events as if it happened now; SPEED=100 events a second
	@exec $(RUN) -m cron replay --speed $(SPEED)

rollback: installed ## make the previous good release live at once; VERSION=2 names one
	@$(RUN) -m cron rollback $(VERSION)

stack: install-stack ## run on real servers, on this machine: Kafka, Flink, Redis, S3, PostgreSQL, Prometheus, two TorchServe nodes
	@$(RUN) -m deploy.stack up $(if $(DATA),--data "$$DATA")

stack-status: installed ## the state of each program of the stack
	@$(RUN) -m deploy.stack status

stack-down: installed ## stop the stack; its data stays
	@$(RUN) -m deploy.stack down

check: install-tests ## lint, types, import rules, sizes, docs
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports
	$(RUN) -m pytest -q tests/architecture

format: install-tests ## fix what ruff can fix, and format
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

test: install-tests ## every test except those of make check
	$(RUN) -m pytest $(PARALLEL) tests/unit tests/contracts tests/component tests/system

test-services: install-services ## the contract suites on the real servers, and what only they or a browser can show; what is missing is a failure
	$(RUN) -m pytest --services -n 2 --dist loadfile tests/contracts tests/services tests/browser

bench: install-tests ## measure on this machine: small versions, a quarter of an hour; writes bench/results/quick
	$(RUN) -m bench

bench-full: install-services ## measure everything, for hours; resumes where it stopped; writes bench/results and the README's numbers
	$(RUN) -m bench --full

reset: installed ## delete everything: events, releases, archives; asks first, or CONFIRM=yes
	@$(RUN) -m deploy.machine.reset $(if $(CONFIRM),--confirm "$$CONFIRM")
