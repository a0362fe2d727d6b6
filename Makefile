# Two commands do everything on a fresh Debian or Ubuntu machine: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests run on one process more than there are cores: many of them wait for processes that they started.
JOBS ?= $(shell echo $$(($$(nproc) + 1)))
# They start hundreds of interpreters, so what is imported is compiled once, also where the environment says otherwise.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest

# How many devices make bench-fleet simulates.
DEVICES ?= 100000

.PHONY: demo serve test test-slow test-soak lint types fuzz bench-verify bench-head bench-hostile bench-token bench-sign bench-http bench-record bench-log bench-access bench-tokens bench-fleet clean help

help:
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/service ## sign and verify an artifact with a real service in build/demo
	@scripts/install-system-packages service
	@scripts/demo

serve: $(VENV)/service ## run the service of build/demo until it is stopped
	@scripts/install-system-packages service
	@scripts/demo --serve

test: $(VENV)/dev ## all tests that a change has to pass, with the coverage of branches that they have to reach
	@scripts/install-system-packages test
	$(PYTEST) -n $(JOBS) --dist loadgroup -m "not slow" --cov --cov-report=term:skip-covered

test-slow: $(VENV)/fuzz ## the longer tests: faults repeated many times, fuzzing
	@scripts/install-system-packages test
	$(PYTEST) -n $(JOBS) --dist loadgroup -m "slow and not soak"

test-soak: $(VENV)/dev ## thousands of signatures while processes are killed
	@scripts/install-system-packages test
	$(PYTEST) -m soak -rP

lint: $(VENV)/dev ## style and common mistakes
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/dev ## types, strictly
	$(BIN)/mypy

fuzz: $(VENV)/fuzz ## coverage-guided fuzzing of the verifier, for ten minutes
	$(BIN)/python -m tests.fuzz.fuzz_verifier -max_total_time=600

bench-verify: build/installed/done ## artifact-verify beside mender-artifact and a bare SHA-256
	@scripts/install-system-packages test
	build/installed/bin/python -m tests.bench.bench_verify

bench-head: $(VENV)/dev ## reading a head, part by part
	@scripts/install-system-packages test
	$(BIN)/python -m tests.bench.bench_head

bench-hostile: $(VENV)/dev ## what the dearest bytes that are known cost a reader, layer by layer
	$(BIN)/python -m tests.bench.bench_hostile

bench-sign: $(VENV)/dev ## signing 1 GiB beside mender-artifact with a key file and a bare copy
	@scripts/install-system-packages test
	$(BIN)/python -m tests.bench.bench_sign

bench-http: $(VENV)/dev ## signatures over HTTP beside the module alone, with what each process costs
	@scripts/install-system-packages test
	$(BIN)/python -m tests.bench.bench_http
	$(BIN)/python -m tests.bench.bench_http --hostile-mix

bench-token: $(VENV)/dev ## the token alone, through its process, and over HTTP
	@scripts/install-system-packages test
	$(BIN)/python -m tests.bench.bench_token

bench-record: $(VENV)/dev ## records of signatures: each stage, and a recorder beside one worker that commits by itself
	$(BIN)/python -m tests.bench.bench_record

bench-access: $(VENV)/dev ## what telling who asks, and deciding by rules, adds to a request
	$(BIN)/python -m tests.bench.bench_access
	$(BIN)/python -m tests.bench.bench_ci
	$(BIN)/python -m tests.bench.bench_client_certificates

bench-tokens: $(VENV)/dev ## tokens: verifying them beside PyJWT alone, auth requests of devices, logins
	$(BIN)/python -m tests.bench.bench_tokens

bench-fleet: $(VENV)/dev ## a fleet of simulated devices through rotations, faults and a switch of certificates; none is lost
	@scripts/install-system-packages test
	$(BIN)/python -m tests.bench.bench_fleet --devices $(DEVICES)

bench-log: $(VENV)/dev ## the log: appending to it beside one commit each, the check of a whole one, and proofs
	@scripts/install-system-packages test
	$(BIN)/python -m tests.bench.bench_log_append
	$(BIN)/python -m tests.bench.bench_log_check
	$(BIN)/python -m tests.bench.bench_log_proof

clean: ## remove everything that was made here
	rm -rf build dist $(VENV) *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

# One environment; each stamp says what it is made for. What is in it, by hash, is in requirements/; scripts/lock writes it.
$(VENV)/service: pyproject.toml requirements/build.lock requirements/service.lock scripts/make-venv
	@PYTHON=$(PYTHON) scripts/make-venv $(VENV) service --editable
	@touch $@

$(VENV)/dev: pyproject.toml requirements/build.lock requirements/dev.lock scripts/make-venv
	@PYTHON=$(PYTHON) scripts/make-venv $(VENV) dev --editable
	@touch $@ $(VENV)/service

# As devices and release engineers install it: an editable installation starts more slowly.
build/installed/done: $(wildcard verifier/*.py verifier/*/*.py) pyproject.toml requirements/fast.lock scripts/make-venv
	@PYTHON=$(PYTHON) scripts/make-venv build/installed fast
	@touch $@

$(VENV)/fuzz: pyproject.toml requirements/build.lock requirements/fuzz.lock scripts/make-venv
	@PYTHON=$(PYTHON) scripts/make-venv $(VENV) fuzz --editable
	@touch $@ $(VENV)/dev $(VENV)/service
