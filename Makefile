# The words of this project. `make dev` and `make test` set up what they need; nothing is installed outside this folder.

VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
NODE   := tests/clients/node_modules/.installed tests/clients-chat/node_modules/.installed
WEB    := web/node_modules/.installed
DIST   := web/dist/index.html
GUIDES := web/dist-guides/index.html
CODE   := app.py chalicelib concave infra tests sdk $(wildcard examples)
# Tests run in this many processes; the machine's two cores are the smallest we promise to be quick on.
WORKERS ?= 2
# A seed of a simulated world is the same run on every machine: sets are walked in the same order.
export PYTHONHASHSEED ?= 0
# What `make test FAST=1` leaves out: browsers, walks over many processes, packaging, worlds with many random seeds, matrices of
# every function, and other files that take over ten seconds; every room keeps tests that most mistakes are caught by.
room = $(patsubst %,tests/$(1)/test_%.py,$(2))
SLOW   := tests/web tests/walk tests/histories tests/worker tests/peers tests/goals \
          $(filter-out %/test_merge.py,$(wildcard tests/infra/test_*.py)) \
          $(filter-out %/test_rows.py,$(wildcard tests/acceptance/test_*.py)) \
          $(call room,admin,check admin) \
          $(call room,codegen,types tsc) \
          $(call room,concave,installed first_minute operating testing) \
          $(call room,data,rough_sea gate uniques savepoints search_in_rough_weather hybrid_search first_of_many groups none) \
          $(call room,docs,pages) \
          $(call room,doors,schemathesis events controls large_events unreadable_events operator_steps odd_calls_of_memory \
            revoked_keys stage_session stream_path rest_images rest_memories same_millisecond) \
          $(call room,functions,strangers conversations_rules answers_fit conversations_delete steps_of_a_reply long_texts_open \
            budget conversations_more memories memories_rules memory memory_erasure memory_retention tool_approvals \
            memories_figures memories_reembedded memories_rebuilt handed_over spaces search_of_sessions mutable mutable_access \
            mutable_lists mutable_transactions immutable_access bounded_searches agent_runs meters busy) \
          $(call room,live,viewers kept_viewers traces campaign deaths protective_steps owner_campaign owner_steps stale_queries \
            connection_ends pages) \
          $(call room,llm,tool_servers) \
          $(call room,local,protective_steps restart self_hosting serve serve_dynamodb stack backup administration server) \
          $(call room,runtime,faults indexes mount declarations)

.DEFAULT_GOAL := help
.PHONY: help wheel guides dev serve backup test cloud-test agents campaign histories soak check functions codegen bench bench-counts bench-live bench-log bench-search bench-cost bench-scale bench-peers package deploy rollback smoke restore destroy format clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 18

dev: $(STAMP) ## run everything on http://127.0.0.1:3210 (PORT and DATA_DIR override)
	@$(MAKE) -s $(DIST) || echo "*** the page could not be built; everything else works ***" >&2
	@$(MAKE) -s $(GUIDES)
	@HOT=1 $(PY) -m infra.local

serve: $(STAMP) ## serve others from this machine (docs/self-hosting.md says what it asks for)
	@$(MAKE) -s $(DIST) || echo "*** the page could not be built; everything else works ***" >&2
	@$(MAKE) -s $(GUIDES)
	@exec $(PY) -m infra.local.serve

backup: $(STAMP) ## copy the data of DATA_DIR while it is in use, into backups/<time> (OUT=folder)
	@$(PY) -m infra.admin backup --out $(or $(OUT),backups/$(shell date -u +%Y%m%dT%H%M%SZ))

test: $(STAMP) $(NODE) $(DIST) $(GUIDES) ## every test (FAST=1: what most mistakes are caught by, in under four minutes)
	$(PY) -m pytest -n $(WORKERS) --ignore=tests/cloud $(if $(FAST),$(SLOW:%=--ignore=%)) $(ARGS)

cloud-test: $(STAMP) $(NODE) $(DIST) $(GUIDES) ## the main job on a whole emulated AWS account: deployed, used, changed, taken down
	$(PY) -m pytest tests/cloud $(ARGS)

agents: tests/worker/node_modules/.installed ## the coding agents that tests of the worker run against (600 MB)

campaign: $(STAMP) ## the simulated worlds of live delivery over many seeds, on both drivers (SEEDS=2000)
	$(PY) -m tests.live.seeds $(or $(SEEDS),2000)

histories: $(STAMP) tests/clients/node_modules/.installed ## appends and reads by real clients under kills, cuts and lost answers, judged (MINUTES=4 SEED=1)
	$(PY) -m tests.histories.run $(or $(MINUTES),4) $(or $(SEED),1)

soak: $(STAMP) ## clients that drop and come back for MINUTES=10, 500 at once; nothing is left (DRIVERS="owner rows")
	$(PY) -m tests.walk.soak $(or $(MINUTES),10) $(or $(CLIENTS),500) $(DRIVERS)

check: $(STAMP) ## format, lint, types, import rules, house rules
	$(PY) -m ruff format --check $(CODE)
	$(PY) -m ruff check $(CODE)
	$(PY) -m mypy chalicelib concave infra app.py sdk/python/concave_client sdk/worker/concave_worker
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m pytest -q tests/test_house.py tests/test_rooms_of_the_house.py tests/test_web_imports.py
	@CHECK=1 OUT= CONCAVE_APPS= $(PY) -m infra.codegen

functions: $(STAMP) ## every function: path, kind, file:line
	@$(PY) -m infra.functions

codegen: $(STAMP) ## TypeScript types of CONCAVE_APPS, in web/src/generated (OUT=folder; CHECK=1 only looks)
	@OUT="$(OUT)" CHECK="$(CHECK)" $(PY) -m infra.codegen

bench: $(STAMP) ## what live delivery costs beside what it must and aims at (PARTS='calls pieces …'; MOST_VIEWERS=100)
	@$(MAKE) -s tests/peers/node_modules/.built
	@MOST_VIEWERS=$(or $(MOST_VIEWERS),1000) $(PY) -m tests.bench_goals $(PARTS)

bench-counts: $(STAMP) ## requests, capacity units and latencies of the single steps
	$(PY) -m tests.bench

bench-live: $(STAMP) ## a change until 1 to 1000 others have it, sockets in rows and in memory
	$(PY) -m tests.bench_live

bench-log: $(STAMP) ## a conversation read and written, as multiples of GET /version, at 10 and 10,000 messages
	$(PY) -m tests.bench_conversations

bench-search: $(STAMP) ## searches and memories, with goals: times, recall, ranking, units (SIZES=1000,100000)
	$(PY) -m tests.bench_search
	$(PY) -m tests.bench_memories

bench-cost: $(STAMP) ## dollars per million turns, for 1 and 10 tabs, and per idle month
	$(PY) -m tests.bench_cost

bench-scale: $(STAMP) ## where an account's walls bind as users come: a simulation by counted units
	@$(PY) -m tests.bench_scale

bench-peers: $(STAMP) tests/peers/node_modules/.built ## the same work by Concave, socket.io with SQLite, PocketBase and Durable Streams
	@$(PY) -m pip install --disable-pip-version-check --quiet -r tests/peers/requirements.txt || echo "*** PocketBase cannot be installed ***" >&2
	$(PY) -m tests.bench_peers

guides: $(STAMP) ## docs/ as a site, which the server has at /docs (in web/dist-guides)
	@$(PY) -m infra.guides

wheel: $(STAMP) $(DIST) $(GUIDES) ## the package to install, with the command `concave`, in dist/
	$(PY) -m pip wheel --disable-pip-version-check --quiet --no-deps --no-build-isolation -w dist .

package: $(STAMP) ## what is deployed, in build/<stage>/ (STAGE=dev)
	STAGE=$(or $(STAGE),dev) $(PY) -m infra.package

deploy: $(STAMP) ## package and deploy a stage to AWS; prints its one address (STAGE=dev, docs/operating.md)
	STAGE=$(or $(STAGE),dev) $(PY) -m infra.deploy $(ARGS)

rollback: $(STAMP) ## every function of a stage back to the release before, in seconds (STAGE=dev, ARGS='--to RELEASE' or --list)
	STAGE=$(or $(STAGE),dev) $(PY) -m infra.rollback $(ARGS)

smoke: $(STAMP) ## ask a deployed stage for everything it is for (STAGE=dev, SMOKE_TOKEN=a user's token)
	STAGE=$(or $(STAGE),dev) $(PY) -m infra.smoke $(ARGS)

restore: $(STAMP) ## a stage's documents as they were, as another stage (ARGS='--to prod-2 --at 2026-11-28T08:00:00Z')
	STAGE=$(or $(STAGE),dev) $(PY) -m infra.restore $(ARGS)

destroy: $(STAMP) ## take a stage down; refuses while it holds data (STAGE=dev)
	STAGE=$(or $(STAGE),dev) $(PY) -m infra.destroy $(ARGS)

format: $(STAMP) ## put the code into its one format
	$(PY) -m ruff format $(CODE)
	$(PY) -m ruff check --fix $(CODE)

clean: ## remove what the other words made; your data (.concave) stays
	rm -rf $(VENV) tests/clients/node_modules tests/clients-chat/node_modules tests/worker/node_modules tests/peers/node_modules web/node_modules web/dist web/dist-dashboard web/dist-guides .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment: made once, and again when a requirements file changes.
$(STAMP): requirements.txt requirements-server.txt requirements-dev.txt
	@set -e; \
	if [ ! -x $(PY) ]; then \
	  for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	    if command -v $$candidate >/dev/null 2>&1 && $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$${found:-}" ]; then echo "Concave needs Python 3.11 or newer: install it, or say where it is: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	  echo "making $(VENV) with $$found"; $$found -m venv $(VENV); \
	fi
	$(PY) -m pip install --disable-pip-version-check --quiet -r requirements-dev.txt
	@touch $@

# The official npm clients and the DynamoDB engine. Without Node their tests are skipped, and said so here and in pytest's summary.
tests/%/node_modules/.installed: tests/%/package.json tests/%/package-lock.json
	@if command -v npm >/dev/null 2>&1 && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then \
	  echo "npm ci in tests/$*" && cd tests/$* && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed; \
	else \
	  echo "*** Node 20 or newer is missing: the tests with the npm clients and the DynamoDB engine will be SKIPPED ***" >&2; \
	fi

# better-sqlite3 is compiled here, against the headers of Node where it stands. What cannot be made is said, and then the bench says it.
tests/peers/node_modules/.built: tests/peers/package.json tests/peers/package-lock.json
	@(cd tests/peers && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && cd node_modules/better-sqlite3 && \
	  gyp=$$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js && \
	  node "$$gyp" rebuild --release --nodedir="$$(node -p 'require("path").resolve(process.execPath, "../..")')" >/dev/null 2>&1 && \
	  touch ../.built) || echo "*** the peers of npm cannot be made here: they will not be measured ***" >&2

# The page. Vite asks for Node 20.19; without it the doors work, and `/` says what to install.
MODERN := command -v npm >/dev/null 2>&1 && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'

$(WEB): web/package.json web/package-lock.json
	@if $(MODERN); then \
	  echo "npm ci in web" && cd web && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed; \
	else \
	  echo "*** Node 20.19 or newer is missing: there will be no page at /, and its tests will be SKIPPED ***" >&2; \
	fi

$(DIST): $(WEB) web/index.html web/vite.config.ts web/vite.dashboard.config.ts web/tsconfig.json $(shell find web/src web/dashboard web/public sdk/js -type f 2>/dev/null)
	@if [ -e $(WEB) ]; then cd web && npm run --silent build; fi

$(GUIDES): $(STAMP) $(wildcard *.md docs/*.md docs/screenshots/*.png web/README.md infra/guides/*)
	@$(PY) -m infra.guides
