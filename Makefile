# `make` lists itself. Everything the project needs on a machine is installed by `make setup`, which the others call.
SHELL := /bin/bash
CARGO ?= cargo
.DEFAULT_GOAL := help

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## Install what is missing (apt when root or sudo is there)
	@tools/setup

run: setup keys ## Start Cedar Family Medicine on loopback, play the demonstration, then keep serving until Ctrl-C
	@tools/run

demo: setup program ## A call at the keyboard, and in a browser: hear what Cedar Family Medicine says, press keys, decide what telephones do
	@target/release/nightdesk flow simulate flows/cedar-family-medicine --browser

program: ## Build target/release/nightdesk; the first time takes some minutes
	@$(CARGO) build --release -p nightdesk

keys: program ## Make development keys in certs/
	@target/release/nightdesk keys make certs --config flows/demonstration.yaml

test: setup ## Run every test
	@tools/test

doctest: ## Run the examples in the documentation
	@$(CARGO) test --workspace --doc --quiet

lint: ## Format check, clippy with warnings denied
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --features tests/peers --quiet -- -D warnings
	@$(CARGO) clippy --manifest-path fuzz/Cargo.toml --locked --target-dir target --quiet -- -D warnings

bench: setup ## Measure: CPU per call-minute, memory, pacing, set-up time; the table is kept in target/bench
	@tools/bench

bench-flow: ## Measure: checking a flow of 1,000 sections, and playing all scenarios of each shipped practice
	@$(CARGO) bench --quiet -p flow --bench check

mutate: ## Break the shipped flows in every way people do: the checker or a scenario must find each fault
	@MUTANTS=all $(CARGO) test --quiet -p flow --test shipped every_fault -- --nocapture

power: ## Cut the power 20,000 times under the book, its index and the recordings (CUTS=100000, FIRST=20000 for other places)
	@POWER_CUTS=$(or $(CUTS),20000) POWER_FIRST=$(or $(FIRST),0) TMPDIR=$(or $(wildcard /dev/shm),/tmp) $(CARGO) nextest run -p vault --test power --no-capture

kill: ## kill -9 at 200 random instants of 100 recorded calls (KILLS, CALLS): nothing acknowledged is lost, everything opens
	@KILLS=$(or $(KILLS),200) KILL_CALLS=$(or $(CALLS),100) $(CARGO) nextest run -p vault --test kill --no-capture kill_nine

evidence: ## Rewrite crates/EVIDENCE.md: which test proves which promise about health information
	@EVIDENCE=write $(CARGO) nextest run -p tests --test evidence

edits: ## Ten thousand random edits of two practices while calls run (EDITS, SEED): no caller may lose the line
	@$(CARGO) build --quiet -p nightdesk
	@EDITS=$(or $(EDITS),10000) $(CARGO) test --quiet -p tests --test edits -- --nocapture

fuzz: ## 10 million mutated inputs over every parser, bounded; FUZZ="wire,config --each 10000000" for as many each
	@tools/fuzz $(FUZZ)

soak: setup ## 1,000 calls in a row, then 200 at once: nothing may be left over
	@tools/soak

flood: setup ## 50 conversations under a mixed flood (FLOOD_MINUTES=30 for the full measure): none may be disturbed
	@FLOOD_MINUTES=$(or $(FLOOD_MINUTES),2) tools/flood

storm: ## Whole calls and the SIP machines under seeded storms, each in so many: SEEDS=100000 for the full measure
	@SEEDS=$(or $(SEEDS),10000) SIP_SEEDS=$(or $(SEEDS),10000) tools/storm

interop: setup ## Foreign telephones, proxies and scanners: SIPp, baresip, linphone, Kamailio, rtpengine, SIPVicious
	@tools/interop

ladders: ## Redraw the golden ladders; the diff is the review
	@INSTA_UPDATE=always $(CARGO) nextest run -p tests

readme: ## Rewrite the parts of README.md that are made of the code
	@NIGHTDESK_README=1 $(CARGO) test --quiet -p nightdesk readme

.PHONY: help setup run demo program keys test doctest lint bench bench-flow mutate edits power kill evidence fuzz soak flood storm interop ladders readme
