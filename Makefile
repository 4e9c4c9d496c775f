# The words a newcomer types. CMake does the work; each target sets up what it needs.
.PHONY: all setup build run test tsan fuzz scan repro lint check-all bench soak power deb clean
JOBS := $(shell nproc 2>/dev/null || echo 2)
FUZZ_SECONDS ?= 60
SOAK_MINUTES ?= 40
POWER_CUTS ?= 2000

all: build

setup:
	@mkdir -p build && tools/setup build

web: setup
	@tools/build_web

build: web
	@cmake --preset release >build/release.log 2>&1 || { cat build/release.log; exit 1; }
	@cmake --build build/release -j $(JOBS) --target songhua
	@echo "built build/release/songhua"

run: build
	@tools/run

test-setup:
	@mkdir -p build && tools/setup test

test: test-setup web
	@tools/test

tsan: test-setup
	@cmake --preset tsan >/dev/null && cmake --build build/tsan -j $(JOBS) --target sh_threads
	@cd build/tsan && ctest -L threads --output-on-failure -j $(JOBS)

fuzz: test-setup
	@tools/fuzz $(FUZZ_SECONDS)

# All checks of testssl.sh and slowhttptest (ten minutes); their reports lie in build/scan afterwards.
scan: test-setup build
	@SONGHUA_SCAN=full SONGHUA_BIN=build/release/songhua python3 -B tests/wire/scanners_test.py

# Two builds in two folders are the same bytes.
repro: setup web
	@tools/repro

lint: test-setup
	@tools/lint

check-all: test-setup web
	@tools/check_all

bench: build
	@tools/setup bench
	@bench/run

soak: build
	@cmake --build build/release --target bench_load >/dev/null
	@SOAK_MINUTES=$(SOAK_MINUTES) tests/soak/soak.py

power: build
	@cmake --build build/release --target fault_lie >/dev/null
	@SONGHUA_CUTS=$(POWER_CUTS) SONGHUA_BIN=build/release/songhua SONGHUA_LIE=$$PWD/build/release/tests/lie.so tests/fault/power_test.py

deb: build
	@packaging/make_deb

clean:
	rm -rf build
