# linkassay: `make demo` runs the walk-through, `make test` runs every test.
# Both need Go alone; tests that drive the AWS CLI, boto3, curl or xmllint are skipped, and say so,
# where those are missing.

GO      ?= go
BIN     := bin/linkassay
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOLS   := $(CURDIR)/.tools

# The packages that the lab serves requests with: these run under the race detector.
RACE := ./provision/... ./probes/... ./suites/canary/... ./reports/live/...

# Ids, zones, addresses and order of the fault matrix and the healthy runs: make faults SEED=7.
SEED ?= 1
RUNS ?= 1000

.PHONY: all build demo test faults healthy tamper byhand pace race bench soak lint fuzz cross schema docs browser pictures clean

all: build

build:
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/linkassay

demo: build
	./$(BIN) demo

test:
	$(GO) test -timeout 8m ./...

# Every fault of the lab, 300 pairs of them and the healthy shapes; writes docs/fault-matrix.md.
faults:
	$(GO) test ./suites -count=1 -timeout 20m -run "^TestFaultMatrix$$" -v -args -seed $(SEED) -fault-matrix $(CURDIR)/docs/fault-matrix.md

# A thousand healthy runs of any size and pace, of which none may fail; CI does 100: make healthy RUNS=100.
healthy:
	$(GO) test ./suites -count=1 -timeout 20m -run '^TestHealthyRuns$$' -v -args -seed $(SEED) -healthy-runs $(RUNS)

# Every single-byte change of every file of a bundle is refused; make test tries a part of them.
tamper:
	$(GO) test ./reports/evidence -count=1 -timeout 20m -run '^TestEveryByteCounts$$' -v -args -every-byte

# A lab is broken with the AWS CLI in twelve ways, and mended with what verify prints; make test does three.
byhand:
	$(GO) test ./cmd/linkassay -count=1 -timeout 10m -run '^TestChangesMadeByHand$$' -v -args -every-change

# What is promised of times, on a machine of its own: 1,000 runs replay in 2 s; a page of 1,000 links is made in 2 s, and opens in 2 s;
# the status page of 5,000 links opens in half a second.
pace:
	$(GO) test ./reports/evidence -count=1 -run '^TestReplayIsFast$$' -v -args -pace
	$(GO) test ./reports -count=1 -run 'FleetIsMadeInTime|FleetInTime' -v -args -pace
	$(GO) test ./reports/live -count=1 -run '^TestBrowserOpensTheStatusPageInTime$$' -v -args -pace

race:
	$(GO) test -race -p 1 -timeout 20m $(RACE)

# What is measured is written whatever comes, and make fails where a goal was missed.
bench: build
	@code=0; $(GO) run ./bench -binary ./$(BIN) -out bench/results.json || code=$$?; \
	  $(GO) run ./bench -docs docs -out bench/results.json && exit $$code

# A canary watches a fleet in the lab while things break and are mended, by seed: make soak SOAK=30m SEED=7. Ten minutes and more is at 1,000 links.
SOAK ?= 3m

soak:
	$(GO) run ./bench/soak -for $(SOAK) -seed $(SEED)

# Ten seconds for each fuzz target. Making a finding smaller is bounded: of large inputs it would take them all.
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 10s -fuzzminimizetime 10x $$pkg; done; done

lint: $(TOOLS)/gofumpt $(TOOLS)/staticcheck
	@out=$$($(TOOLS)/gofumpt -l .); test -z "$$out" || { echo "gofumpt would change:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...

$(TOOLS)/gofumpt:
	GOBIN=$(TOOLS) GOFLAGS= $(GO) install mvdan.cc/gofumpt@v0.12.0

$(TOOLS)/staticcheck:
	GOBIN=$(TOOLS) GOFLAGS= $(GO) install honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Built and vetted for macOS, not run there.
cross:
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/linkassay
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./cmd/... ./reports/... ./suites/... ./probes/... ./provision/...

schema:
	$(GO) test ./provision -count=1 -run Schema -update

# The HTML report and the canary's status page in a headless Chromium: accessibility (axe-core, fetched with npm), hostile texts, keys, print, time.
AXE := .tools/node_modules/axe-core/axe.min.js

browser: $(AXE)
	$(GO) test ./reports -count=1 -timeout 10m -run '^TestBrowser' -v
	$(GO) test ./reports/live -count=1 -timeout 10m -run '^TestBrowser' -v -args -every-page

$(AXE):
	npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix $(TOOLS) axe-core@4.14.1

# The pictures in docs/: of the report, of two runs of the demo, and of the canary's status page.
CHROMIUM := chromium --headless --disable-gpu --disable-dev-shm-usage --hide-scrollbars $(if $(filter 0,$(shell id -u)),--no-sandbox)

pictures:
	$(MAKE) build VERSION=devel
	rm -rf out/pictures && mkdir -p out/pictures
	./$(BIN) demo --seed 7 --wait 1m --out out/pictures/healthy >/dev/null
	./$(BIN) demo --seed 7 --fault listener-missing --out out/pictures/broken >/dev/null; test $$? = 1
	for name in healthy broken; do $(CHROMIUM) --user-data-dir=$(CURDIR)/out/pictures/profile --window-size=1080,1180 \
	  --screenshot=$(CURDIR)/docs/report-$$name.png file://$(CURDIR)/out/pictures/$$name/report.html; done
	$(GO) test ./reports/live -count=1 -run '^TestBrowserShowsTheStatusPage$$' -args -every-page -status-picture $(CURDIR)/docs/status-page.png

# What is generated and committed: docs/catalogue.md, the list of check ids, and the link file's schema. Tests fail when
# one of them is out of date.
docs: schema
	$(GO) test ./suites -count=1 -run '^(TestCatalogueDocument|TestIDsAreForEver)$$' -args -update-docs

clean:
	rm -rf bin .tools out
