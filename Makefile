# `make` alone prints the targets. Everything that is installed goes into .venv (and caches into ~/.cache/rollcall).

PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
# An inherited interpreter setting must not reach into .venv.
unexport PYTHONPATH PYTHONHOME

# The demo's flags for METRICS: with 1 Prometheus is built where it is not there, with 0 there is none.
ifeq ($(METRICS),0)
MEASURED := set -- --no-metrics;
else
MEASURED = found=$$($(BIN)/python -m rollcall_cluster.prometheus_binary $(if $(filter 1,$(METRICS)),--build)) || exit 1; \
	set --; [ -z "$$found" ] || set -- --prometheus "$$found";
endif

.DEFAULT_GOAL := help
.PHONY: help setup setup-run run test check format cluster cluster-build db bench lock docs wheel image image-kind clean

help: ## print this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use it
run: setup-run ## the demo on a simulated cluster; CLUSTER=local|kind, CONTEXT=name, PORT=8080, METRICS=1|0
ifneq ($(CONTEXT),)
ifeq ($(METRICS),1)
	@echo "METRICS=1 plays measurements of simulated pods, and those of CONTEXT are real: ROLLCALL_PROMETHEUS__URL=… names its Prometheus"; exit 2
endif
	@$(BIN)/rollcall demo --api-port $(PORT) --context $(CONTEXT) $(ARGS)
else ifneq ($(CLUSTER),)
	@$(MEASURED) exec $(BIN)/python -m rollcall_cluster run --source $(CLUSTER) --api-port $(PORT) "$$@" $(ARGS)
else
	@$(MEASURED) exec $(BIN)/rollcall demo --api-port $(PORT) "$$@" $(ARGS)
endif

cluster: setup-run ## a local Kubernetes control plane in the foreground; CLUSTER=kind for kind
	@$(BIN)/python -m rollcall_cluster up --samples $(if $(CLUSTER),--source $(CLUSTER)) $(ARGS)

db: setup-run ## an embedded PostgreSQL with Rollcall's schema, in the foreground
	@$(BIN)/python -m rollcall_demo.database $(ARGS)

##@ Work on it
setup: $(VENV)/dev.stamp ## the virtual environment with everything the tests need
setup-run: $(VENV)/run.stamp

test: setup ## everything: lint, types, import rules, the whole suite with real parts
	@PYTHON=$(BIN)/python sh tests/run

check: setup ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

cluster-build: setup-run ## build the local control plane's binaries, Prometheus and Helm into the cache
	@$(BIN)/python -m rollcall_cluster build
	@$(BIN)/python -m rollcall_cluster build-prometheus
	@$(BIN)/python -m rollcall_cluster build-helm

bench: setup ## the benchmarks of docs/benchmarks.md
	@$(BIN)/python tests/bench/run.py $(ARGS)

docs: setup ## write the generated reference pages anew
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/generate_rights.py
	@$(BIN)/python docs/generate_rights_page.py
	@$(BIN)/python docs/generate_api.py
	@$(BIN)/python docs/generate_chart.py

wheel: setup ## dist/rollcall-….whl
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE ?= ghcr.io/rollcall-dev/rollcall:$(VERSION)
# What it is built on, where it is not what deploy/Dockerfile names.
BASE ?=
image: ## the container image, with docker, podman or buildah; IMAGE=name:tag, BASE=python:…@sha256:…
	@for engine in docker podman buildah; do \
		if $$engine info >/dev/null 2>&1; then \
			epoch=$$(git log -1 --format=%ct); \
			exec $$engine build --file deploy/Dockerfile --tag $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) \
				$$([ $$engine = docker ] || echo --timestamp $$epoch) --build-arg SOURCE_DATE_EPOCH=$$epoch \
				--build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) .; \
		fi; \
	done; echo "make image needs an engine that answers: docker, podman or buildah"; exit 1

KIND_CLUSTER := rollcall-image
image-kind: ## the chart with that image on a kind cluster of its own: a Job is recorded from its start to its end
	@for program in kind helm kubectl; do command -v $$program >/dev/null || { echo "make image-kind needs $$program"; exit 1; }; done
	@trap 'kind delete cluster --name $(KIND_CLUSTER)' EXIT; set -e; \
	kind create cluster --name $(KIND_CLUSTER) --wait 2m; \
	kind load docker-image $(IMAGE) --name $(KIND_CLUSTER); \
	helm install rollcall charts/rollcall --kube-context kind-$(KIND_CLUSTER) --namespace rollcall --create-namespace \
		--set aggregatedApi.enabled=true --wait --timeout 5m; \
	kubectl="kubectl --context kind-$(KIND_CLUSTER) --namespace vision"; \
	$$kubectl create namespace vision; $$kubectl label namespace vision kai/project=vision; \
	$$kubectl create job hello --image=$(IMAGE) -- rollcall version; \
	$$kubectl wait rwl/hello.job.batch --for=create --timeout 2m; \
	$$kubectl wait rwl/hello.job.batch --for=jsonpath='{.status.phase}'=Completed --timeout 2m; \
	$$kubectl get rwl

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
lock: ## resolve the requirements anew (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv"; exit 1; }
	$(LOCK) $(ARGS) --extra demo --extra cluster pyproject.toml -o requirements/run.txt
	$(LOCK) $(ARGS) -c requirements/run.txt pyproject.toml -o requirements/server.txt
	$(LOCK) $(ARGS) --extra dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt

clean: ## stop what was left running and remove what make made here (not the caches)
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m rollcall_demo.database --stop; fi
	rm -rf $(VENV) .venv-* .rollcall dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Rollcall needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "This Python has no venv module; Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/run.stamp: requirements/run.txt requirements/build.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Rollcall needs to run"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Installing what the tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
