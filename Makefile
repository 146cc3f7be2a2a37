# Everything CI runs is here, and runs at home: make lint verify test.
SHELL       := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMAGE    ?= posthorn
PACKAGES ?= ./...
# For go test. Results are not cached, since the cache does not see the manifests that suites apply, nor the
# control plane that they run on.
TESTFLAGS ?= -count=1

# One value for all builds but those with the race detector, or none of them shares the build cache with the rest.
export CGO_ENABLED := 0

tool    := go tool -modfile=hack/tools/go.mod
helm    := go tool -modfile=hack/tools/helm/go.mod
lint    := go tool -modfile=hack/tools/lint/go.mod golangci-lint-kube-api-linter
ldflags := -s -w -X github.com/posthorn-dev/posthorn/internal/telemetry.version=$(VERSION)

# Packages without a process or a socket behind them: seconds, no API server.
unit := ./api/... ./internal/breaker/... ./internal/change/... ./internal/compile/... ./internal/config/... ./internal/delivery/... \
	./internal/egress/... ./internal/event/... ./internal/filter/... ./internal/payload/... ./internal/pki/... ./internal/problem/... \
	./internal/retry/... ./internal/signing/... ./internal/telemetry/... ./internal/wire/...

# Where the markers of each plane's roles are.
operator-packages   := internal/controller/... internal/operator/...
dispatcher-packages := internal/access/... internal/dispatcher/... internal/routing/... internal/source/... internal/status/...

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ See it work

.PHONY: demo
demo: controlplane build ## Show the whole way of an event on a real API server; DEMO_EXIT=1 ends by itself.
	@go build -o bin/demo ./hack/demo && go build -o bin/demo-receiver ./hack/demo/receiver
	@KUBEBUILDER_ASSETS="$$(hack/controlplane.sh)" && export KUBEBUILDER_ASSETS && exec bin/demo

##@ Develop

.PHONY: build
build: ## Build bin/operator and bin/dispatcher, static.
	go build -ldflags='$(ldflags)' -o bin/ ./cmd/operator ./cmd/dispatcher

.PHONY: run-operator
run-operator: build ## Run the operator against the cluster of KUBECONFIG; ARGS="--flag …" adds flags.
	bin/operator --namespace=posthorn-system --health-address=127.0.0.1:8081 --metrics-address=0 $(ARGS)

.PHONY: run-dispatcher
run-dispatcher: build ## Run the dispatcher against the cluster of KUBECONFIG; ARGS="--flag …" adds flags.
	bin/dispatcher --namespace=posthorn-system --kubeconfig="$$KUBECONFIG" --data-dir=bin/data \
		--ingest-address=127.0.0.1:8080 --health-address=127.0.0.1:8083 --metrics-address=0 $(ARGS)

.PHONY: controlplane
controlplane: ## Find or build etcd, kube-apiserver, kube-controller-manager and kubectl, once.
	@hack/controlplane.sh

.PHONY: generate
generate: manifests ## Make all generated files: code, manifests, reference.
	$(tool) controller-gen object:headerFile=hack/boilerplate.go.txt \
		applyconfiguration:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(tool) crd-ref-docs --config=hack/apireference/config.yaml \
		--source-path=./api --renderer=markdown --output-path=docs/reference/api.md --log-level=ERROR
	$(helm) helm-docs --chart-search-root=charts --log-level=error

.PHONY: manifests
manifests: ## Make the CRDs and the roles.
	$(tool) controller-gen crd paths=./api/... output:crd:dir=config/crd/bases
	$(tool) controller-gen rbac:roleName=posthorn-operator \
		$(addprefix paths=./,$(operator-packages)) output:rbac:dir=config/rbac
	$(tool) controller-gen rbac:roleName=posthorn-dispatcher,fileName=dispatcher_role.yaml \
		$(addprefix paths=./,$(dispatcher-packages)) output:rbac:dir=config/rbac
	mkdir -p charts/posthorn/files/crds charts/posthorn/files/rbac
	cp config/crd/bases/*.yaml charts/posthorn/files/crds/
	cp config/rbac/role.yaml charts/posthorn/files/rbac/operator.yaml
	cp config/rbac/dispatcher_role.yaml charts/posthorn/files/rbac/dispatcher.yaml
	cp config/rbac/source_reader_roles.yaml charts/posthorn/files/rbac/source_reader.yaml
	cat config/rbac/user_roles.yaml <(echo ---) config/rbac/metrics_reader_role.yaml >charts/posthorn/files/rbac/users.yaml

.PHONY: clean
clean: ## Remove what the build made here; the control plane's cache stays.
	rm -rf bin dist

##@ Check

# Of the other modules, which ./... does not reach, hack/image alone has tests.
.PHONY: test
test: controlplane ## Run all tests: pure code, suites on a real API server, the engine, both processes.
	@go -C hack/image test ./...
	KUBEBUILDER_ASSETS="$$(hack/controlplane.sh)" $(tool) gotestsum --format=pkgname-and-test-fails \
		--format-hide-empty-pkg -- -timeout=20m $(TESTFLAGS) $(PACKAGES)

.PHONY: test-unit
test-unit: ## Run the tests of the pure packages, in seconds.
	go test $(unit)

.PHONY: test-race
test-race: controlplane ## Run all tests with the race detector; needs a C compiler.
	@CGO_ENABLED=1 go -C hack/image test -race ./...
	KUBEBUILDER_ASSETS="$$(hack/controlplane.sh)" CGO_ENABLED=1 $(tool) gotestsum --format=pkgname-and-test-fails \
		--format-hide-empty-pkg -- -race -timeout=30m $(TESTFLAGS) $(PACKAGES)

# The long forms of test/chaos; make test runs the short ones. CRASH_SEED=… repeats a run.
.PHONY: crash
crash: controlplane ## Kill the dispatcher 20 times under 20,000 events, and count; CRASH_KILLS and CRASH_EVENTS change that.
	KUBEBUILDER_ASSETS="$$(hack/controlplane.sh)" CRASH_KILLS="$${CRASH_KILLS:-20}" CRASH_EVENTS="$${CRASH_EVENTS:-20000}" \
		CRASH_STOPS="$${CRASH_STOPS:-20}" OPERATOR_CHANGES="$${OPERATOR_CHANGES:-200}" \
		go test ./test/chaos/ -count=1 -v -timeout=6h -run '^(TestCrash|TestStop|TestOperator)_'

.PHONY: chaos
chaos: controlplane ## Bad neighbours, an API server that is gone for a minute, full disks, power losses, backups and sources, at length.
	KUBEBUILDER_ASSETS="$$(hack/controlplane.sh)" OUTAGE_SECONDS="$${OUTAGE_SECONDS:-60}" \
		NEIGHBOUR_EVENTS="$${NEIGHBOUR_EVENTS:-500}" SOURCE_KILLS="$${SOURCE_KILLS:-20}" HANDOVERS="$${HANDOVERS:-10}" \
		go test ./test/chaos/ -count=1 -v -timeout=1h -run '^(TestNeighbours|TestOutage|TestFullDisk|TestPowerLoss|TestBackup|TestSources)_'

.PHONY: bench
bench: controlplane ## Measure speed and memory in one table; BENCH=drain,flow chooses, BENCH_JSON=FILE writes the figures too.
	go build -o bin/bench ./test/bench
	go -C test/bench/fasthttp build -o ../../../bin/bench-fasthttp .
	KUBEBUILDER_ASSETS="$$(hack/controlplane.sh)" bin/bench

.PHONY: lint
lint: helm-lint ## Run all linters, those of API, layers, links and chart included; PACKAGES=./internal/retry/ for one.
	@hack/verify-layers.sh
	@hack/verify-links.sh
	$(lint) run $(PACKAGES)
	go -C hack/image tool -modfile=../tools/lint/go.mod golangci-lint-kube-api-linter run --config=../../.golangci.yml

.PHONY: helm-lint
helm-lint: ## Run the linter of the chart alone.
	$(helm) helm lint --strict --quiet charts/posthorn

.PHONY: lint-fix
lint-fix: ## Let the linters repair what they can; look at what they did.
	$(lint) run --fix $(PACKAGES)

.PHONY: fmt
fmt: ## Format the code and order its imports.
	$(lint) fmt

.PHONY: verify
verify: generate ## Make all generated files and fail when one was stale or the tree is not clean.
	go mod tidy -diff
	$(tool) kustomize build config/default >/dev/null
	hack/verify-clean.sh

.PHONY: e2e
e2e: ## Install the chart into a real cluster and see it work: that of KUBECONFIG, or one that hack/e2e.sh brings up.
	hack/e2e.sh

##@ Ship

.PHONY: images
images: ## Pack the images as archives in dist/images, without a container engine; VERSION=dev tags them.
	@mkdir -p dist/linux dist/images
	go -C hack/image build -o ../../bin/image .
	GOOS=linux go build -trimpath -ldflags='$(ldflags)' -o dist/linux/ ./cmd/operator ./cmd/dispatcher ./test/e2e/app
	@cd dist && ../bin/image -tag localhost/posthorn-operator:$(VERSION) -output images/posthorn-operator.tar linux/operator \
		&& ../bin/image -tag localhost/posthorn-dispatcher:$(VERSION) -output images/posthorn-dispatcher.tar linux/dispatcher \
		&& ../bin/image -tag localhost/posthorn-e2e:$(VERSION) -output images/posthorn-e2e.tar linux/app && ls -l images

.PHONY: docker-build
docker-build: ## Build the images of operator and dispatcher; IMAGE=posthorn is the start of their names.
	docker build --target=operator --build-arg=VERSION=$(VERSION) --tag=$(IMAGE)-operator:$(VERSION) .
	docker build --target=dispatcher --build-arg=VERSION=$(VERSION) --tag=$(IMAGE)-dispatcher:$(VERSION) .
