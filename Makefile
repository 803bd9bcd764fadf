# Each recipe is a cargo, npm or script line that can be typed by hand. Everything that compiles llama.cpp uses the
# same profile and features, so that it is compiled once.

.DEFAULT_GOAL := help
.PHONY: help setup run test build page browser screenshots check openapi golden bench crash-test fuzz clients ci clean

# rustup's directory, for shells that have not been restarted since it was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

VENV := .venv
# What pip and npm write last.
CLIENTS := $(VENV)/ready tests/clients/node/node_modules/.package-lock.json
# The page needs a node that its bundler runs on. Without one the server is built all the same, and says so at /.
PAGE := $(shell node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null && echo static/dist/index.html)

help: ## list these recipes
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

run: ## build and serve on http://127.0.0.1:8080 with the built-in model
	@scripts/setup.sh build
	@$(MAKE) --no-print-directory page
	cargo run --release --bin tern

test: ## everything: format, lints, Rust and page tests, kernels of other processors, the official OpenAI clients, a browser
	@scripts/setup.sh test
	$(MAKE) --no-print-directory page check
	npm test --prefix static
	cargo test --release --workspace
	scripts/test-kernels.sh
	$(MAKE) --no-print-directory $(CLIENTS)
	$(VENV)/bin/python tests/clients/run.py
	$(MAKE) --no-print-directory browser

build: ## build the server: target/release/tern
	@scripts/setup.sh build
	@$(MAKE) --no-print-directory page
	cargo build --release --bin tern

page: $(PAGE) ## build the web page: static/dist
	@[ -n "$(PAGE)" ] || echo "no page: it needs Node.js 20.19 or newer (https://nodejs.org/en/download)"

browser: page ## the page in Chromium against the built server
	cargo build --release --bin tern
	node tests/browser/run.mjs

screenshots: page ## pictures of the page: docs/screenshots
	cargo build --release --bin tern
	node tests/browser/screenshots.mjs

check: ## rustfmt and clippy, warnings denied
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings

clients: $(CLIENTS) ## the official clients, libraries above them and schemathesis against the built server
	cargo build --release --bin tern
	$(VENV)/bin/python tests/clients/run.py

openapi: ## write openapi/openapi.json from the code
	cargo run --release --quiet -p tern-api --example openapi > openapi/openapi.json.new
	mv openapi/openapi.json.new openapi/openapi.json

golden: ## write all expected outputs anew; look at the diff afterwards
	UPDATE_GOLDEN=1 cargo test --release --workspace

bench: ## time the built-in model, HTTP, a large store and, if .venv/bench has transformers, the tasks beside it
	cargo run --release --bin tern -- bench tern-guide
	scripts/bench-http.py
	cargo run --release -p tern-grammar --example mask_speed -- models/guide/tern-guide.gguf
	cargo bench -p tern-store
	@if [ -x $(VENV)/bench/bin/python ]; then $(VENV)/bench/bin/python scripts/bench-tasks.py; \
	else echo "tasks beside transformers are not timed: scripts/bench-tasks.py says what they need"; fi

crash-test: ## kill 5,000 processes that write conversations; nothing acknowledged may be missing
	TERN_CRASH_ROUNDS=5000 cargo test --release -p tern-store crash -- --nocapture

fuzz: ## a minute of random GGUF files (needs a nightly compiler and cargo-fuzz)
	mkdir -p fuzz/corpus/gguf
	cargo +nightly fuzz run gguf fuzz/corpus/gguf engines/gguf/tests/blocks -- -max_total_time=60 -max_len=65536

ci: ## what CI runs
	.ci/run

clean: ## remove everything that was built or installed into this folder
	cargo clean
	rm -rf $(VENV) tests/clients/node/node_modules static/node_modules static/dist

setup: ## install what building and testing need
	scripts/setup.sh test

# One environment for each major version of the client, one for the libraries above it; pip runs again when a list changes.
$(VENV)/ready: tests/clients/requirements.txt tests/clients/requirements-openai2.txt tests/clients/requirements-others.txt
	python3 -m venv $(VENV)
	python3 -m venv $(VENV)/openai2
	python3 -m venv $(VENV)/others
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	$(VENV)/openai2/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements-openai2.txt
	$(VENV)/others/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements-others.txt
	touch $@

tests/clients/node/node_modules/.package-lock.json: tests/clients/node/package-lock.json
	npm ci --prefix tests/clients/node --no-audit --no-fund
	touch $@

static/node_modules/.package-lock.json: static/package-lock.json
	npm ci --prefix static --no-audit --no-fund
	touch $@

static/dist/index.html: static/node_modules/.package-lock.json static/package.json static/vite.config.ts static/index.html $(shell find static/src -type f)
	npm run --prefix static build -- --logLevel warn
	touch $@
