# `make help` lists what there is. ARGS is passed on, for instance: make demo ARGS="--port 0"

.DEFAULT_GOAL := help
.PHONY: help demo test lint policies deny bench bench-queue bench-policy bench-redis bench-dashboard bench-instructions chaos

# command:package. A C compiler builds `ring` and links; the tests send signals with `kill`.
BUILD_TOOLS := cc:build-essential
TEST_TOOLS := $(BUILD_TOOLS) curl:curl kill:procps nginx:nginx-light redis-server:redis-server chromium:chromium node:nodejs npm:npm
# What policies in other languages than Rust are built with, beside what scripts/policy-tools.sh fetches.
POLICY_TOOLS := clang:clang wasm-ld:lld node:nodejs npm:npm python3:python3 py.ensurepip:python3-venv

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 13

demo: rust ## A balancer, three workers and some traffic, to look at
	@scripts/need.sh $(BUILD_TOOLS)
	cargo run --locked -- demo $(ARGS)

test: rust ## All tests, what they need installed first (by root, on Debian and Ubuntu)
	@scripts/need.sh $(TEST_TOOLS) $(POLICY_TOOLS)
	@scripts/wasm32.sh --get
	@scripts/policy-tools.sh js python
	@scripts/axe.sh
	cargo test --locked $(ARGS)
	cargo test --locked --manifest-path policies/Cargo.toml
	cd policies/zone-first && npm test --silent
	$(MAKE) --no-print-directory -C policies/business-hours test

lint: rust ## Format, clippy, documentation: no warning is let through
	@scripts/need.sh $(BUILD_TOOLS)
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
	cd policies && cargo fmt --check
	cd policies && cargo clippy --locked --all-targets -- -D warnings
	cd policies && RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

policies: rust ## The sample policies, as policies/dist/<name>.wasm; ARGS="rust" for those in one language
	@scripts/need.sh $(BUILD_TOOLS)
	@scripts/policies.sh $(ARGS)

deny: rust ## Licences, advisories and bans of the dependencies (needs cargo-deny and the internet)
	@command -v cargo-deny >/dev/null || { echo 'cargo-deny is missing: cargo install --locked cargo-deny (about 4 minutes)' >&2; exit 1; }
	cargo deny check --hide-inclusion-graph $(ARGS)

bench: rust $(if $(filter --smoke,$(ARGS)),,policies/dist/sticky.wasm) ## The balancer in all its ways beside nginx; ARGS="--smoke" for a short look, "--only proxies,cold" for a part
	@scripts/need.sh $(BUILD_TOOLS) nginx:nginx-light redis-server:redis-server
	cargo bench --locked --bench throughput -- $(ARGS)

policies/dist/sticky.wasm:
	@scripts/need.sh $(BUILD_TOOLS)
	@scripts/wasm32.sh --get
	@scripts/policies.sh rust

bench-queue: rust ## Writes a second, memory, disk and recovery of the queue; ARGS="--smoke" for a short look
	@scripts/need.sh $(BUILD_TOOLS)
	cargo bench --locked --bench queue -- $(ARGS)

chaos: rust ## Kills balancers and Redis under load 50 times, restarts a fleet in turn, 10,000 tasks through it, fills a disk (by root); CHAOS_KILLS=200 for more, CHAOS_SEED for the same
	@scripts/need.sh $(TEST_TOOLS)
	cargo test --locked --test integration -- --ignored --nocapture --test-threads 1 crash:: recovery:: redis::spread:: $(ARGS)

bench-redis: rust ## Tasks a second and Redis CPU a task beside the loop of bullmq-official; ARGS="--balancers 1" for one only
	@scripts/need.sh $(BUILD_TOOLS) redis-server:redis-server
	cargo build --locked --release --bin andera-lb
	cd benches/bullmq && cargo run --locked --release -- $(ARGS)

bench-policy: rust ## Nanoseconds a decision, native and in WebAssembly; ARGS="--smoke" for a short look
	@scripts/need.sh $(BUILD_TOOLS)
	cargo bench --locked --bench policy -- $(ARGS)

bench-dashboard: rust ## First bytes of pages with 2,000 workers and 100,000 tasks, and what an open page costs; ARGS="--smoke" for a short look
	@scripts/need.sh $(BUILD_TOOLS)
	cargo bench --locked --bench dashboard -- $(ARGS)

bench-instructions: rust ## Instructions of the pure core, beside a stored baseline (needs gungraun-runner); ARGS="--save" for a new one
	@scripts/need.sh $(BUILD_TOOLS) valgrind:valgrind
	@command -v gungraun-runner >/dev/null || { echo 'gungraun-runner is missing: cargo install --locked gungraun-runner@0.20.0 (about 3 minutes)' >&2; exit 1; }
	cd benches/instructions && CARGO_TARGET_DIR=$${CARGO_TARGET_DIR:-$(CURDIR)/target} cargo run --locked --profile profiling -- $(ARGS)

.PHONY: rust
rust:
	@command -v cargo >/dev/null || { echo 'Rust is missing (1.95 or newer): https://rustup.rs' >&2; exit 1; }
