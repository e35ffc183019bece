# Needs Python 3 with pip and Go; everything else comes with "make tools". Run "make" for the list of targets.
.DEFAULT_GOAL := help
.PHONY: help tools build-parts deps build generate lint typecheck unit test demo bench clean
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.tools/bin:$(PATH)
NODE := .tools/bin/node
NPM_RUN := .tools/bin/npm run --silent
SOURCES := $(shell find src workflows activities bench tools test/harness -name '*.ts' 2>/dev/null)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-16s %s\n' "$$name" "$$text"; done

tools: ## Node, Temporal, control plane and registry under .tools/bin, fetched or built once
	@tools/install-parts.sh

build-parts: ## buildah, QEMU, Debian kernels and base images, for the tests that build and load kernel modules
	@tools/install-build-parts.sh

deps: tools node_modules/.package-lock.json ## npm packages, installed when package-lock.json has changed

# npm writes this file at the end of an installation.
node_modules/.package-lock.json: package-lock.json | tools
	@tools/install-packages.sh
	@touch $@

build: deps dist/workflow-bundle.js ## compile to dist/ and bundle the workflows

dist/workflow-bundle.js: $(SOURCES) tsconfig.json tsconfig.build.json node_modules/.package-lock.json
	@echo 'compiling to dist/'
	@$(NPM_RUN) build

generate: build ## write the CRDs in deploy/crds from the schemas in src/api
	@$(NODE) dist/tools/generate-crds.js

lint: deps ## eslint, import rules and formatting
	@$(NPM_RUN) lint

typecheck: deps ## the TypeScript compiler, tests included
	@$(NPM_RUN) typecheck

unit: deps ## the tests that need no servers (a few seconds)
	@$(NODE) tools/test.mjs --only unit $(ARGS)

test: deps build-parts ## everything: lint, types, build and all tests, on real servers (ARGS="--only unit,replay" for some)
	@$(NODE) tools/test.mjs $(ARGS)

demo: build $(if $(filter --build,$(ARGS)),build-parts) ## a hub, a simulated fleet and a rollout to watch (ARGS="--build" builds the images; "--once" ends when it is complete)
	@$(NODE) dist/tools/demo.js $(ARGS)

bench: build ## measurements (ARGS="publish --clusters 1000 --kernels 3")
	@$(NODE) dist/bench/main.js $(ARGS)

clean: ## remove what was built here; the cached parts and node_modules stay
	@rm -rf dist coverage .demo *.tsbuildinfo
