# Needs Go, git and make. "make run" starts the endpoint, "make test" tests all.

FUZZTIME ?= 60s
BENCH    ?= .
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build run test check integration licenses fuzz bench bench-server eval generate clean

build:
	go build -o bin/tlspeek ./cmd/tlspeek

run: build
	bin/tlspeek serve

test:
	go test ./...

check:
	@fmt=$$(gofmt -l .); if [ -n "$$fmt" ]; then echo "gofmt these: $$fmt"; exit 1; fi
	go vet ./...
	$(STATICCHECK) ./...
	go mod tidy -diff
	$(MAKE) generate
	git diff --exit-code -- '*_gen.go' '*_gen.txt'
	$(MAKE) licenses
	$(MAKE) test
	go test -race ./...

# Package server with listeners and servers of others, over real connections. It is
# a module of its own, which downloads grpc-go, cmux and go-proxyproto.
integration:
	cd server/integration && go mod tidy -diff && go vet ./... && $(STATICCHECK) ./... && go test -race ./...

# The generator of what "tlspeek version --licenses" prints, a module of its own. "make
# generate" runs it: it fails if a dependency has no licence, or one that is not allowed.
licenses:
	cd internal/licenses/gen && go mod tidy -diff && go vet ./... && $(STATICCHECK) ./... && go test ./...

# Every fuzz target in turn, FUZZTIME each.
fuzz:
	@for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
	  done; \
	done

bench:
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

# What a server pays for the hellos of its clients, beside plain crypto/tls.
bench-server:
	go test -run '^$$' -bench 'Server|BesideHalfOpen|Memory|LongHello' -benchtime 15x ./server

# How well clients are named, and impersonators found, over labelled captures:
# make eval CLIENTS=DIR. Without a directory, over the built-in clients.
eval:
	go run ./internal/eval -dir '$(CLIENTS)'

generate:
	go generate ./...

clean:
	rm -rf bin
