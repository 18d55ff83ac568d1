# Two commands matter: `make run` and `make test`. They need Python 3.11 or newer and nothing else.

PYTHON_IN := .venv/bin/python
TEST := $(PYTHON_IN) -m pytest
ARGS ?=

# Tests start some hundred processes of ours: Python keeps what it compiled, even where the environment says otherwise.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test check test-faults test-rabbitmq test-pooler test-clients bench browser gateway lock clean environment test-environment

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-18s %s\n' "$$name" "$$text"; done

run: environment ## Start everything and say what to type next; ARGS='--port 8080 --with-flower'
	@exec $(PYTHON_IN) -m usage_billing up $(ARGS)

# Three processes on two cores: a third of the time a test waits, for a process to start or for a clock to tick.
test: test-environment ## The whole suite; ARGS='-k billing'
	@$(TEST) -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: test-environment ## Lint, types, import contract, migrations up, down and up again
	@$(PYTHON_IN) -m ruff check .
	@$(PYTHON_IN) -m ruff format --check .
	@$(PYTHON_IN) -m mypy
	@.venv/bin/lint-imports
	@$(TEST) -q tests/migrations tests/architecture

test-faults: test-environment ## Kill, hang and cut everything under load, and judge the books; MINUTES=5 for longer
	@MINUTES=$(MINUTES) $(TEST) -m faults -n 2 --dist load --maxschedchunk 1 tests/faults $(ARGS)

test-rabbitmq: test-environment ## The same messages on a real RabbitMQ, killed, hung and full
	@[ -d /usr/lib/rabbitmq ] || [ "$$(id -u)" -ne 0 ] || { apt-get -q update && RUNLEVEL=1 \
		DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends rabbitmq-server; }
	@$(TEST) -m rabbitmq tests/rabbitmq $(ARGS)

POOLED := $(addprefix tests/,integration/test_recording.py integration/test_rows.py integration/test_billing.py \
	tasks/test_drain.py api/test_recording.py api/test_reading.py)
test-pooler: test-environment ## What asks the database, and the chaos, through the real PgBouncer
	@TEST_POOLER=1 $(TEST) -n 2 --dist loadfile $(POOLED) $(ARGS)
	@$(TEST) -m pooler tests/faults/test_pooler.py $(ARGS)

bench: test-environment ## Measure against yardsticks and write docs/performance.md; ARGS='batches billing' for some; ARGS=builds BESIDE=FOLDER for another build
	@$(PYTHON_IN) -m benchmarks $(ARGS)

browser: test-environment ## The pages in a real Chromium
	@$(TEST) -m browser -n 2 --dist loadfile $(ARGS)

test-clients: test-environment ## The unmodified clients of OpenMeter, Lago, Stripe and CloudEvents, and our own, on the real service
	@$(TEST) -m clients tests/foreign tests/webhooks $(ARGS)

gateway: test-environment ## The gateway's configuration on a real nginx
	@$(TEST) -m gateway $(ARGS)

# With their extras: older pips look for "coverage[toml]" by itself, and stop where there is a newer one than is pinned.
PINS := --universal --generate-hashes --no-strip-extras --python-version 3.11 --quiet
lock: ## Resolve and pin what is installed, with hashes (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 2; }
	uv pip compile setup.cfg $(PINS) -o requirements.lock
	uv pip compile setup.cfg --extra test -c requirements.lock $(PINS) -o requirements-test.lock

clean: ## Remove the environment, builds and caches; never the data in .usage-billing
	@rm -rf .venv build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@sh scripts/venv.sh run

test-environment:
	@sh scripts/venv.sh test
