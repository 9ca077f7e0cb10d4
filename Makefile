# RiptideKV. `make help` lists the targets; docs/building.md explains the variants.
#
# Objects and programs lie in build/<variant>/. A variant is a set of flags:
#   release  -O2, hardened; what `make` and `make run` build
#   test     fault points and assertions on; what `make test` runs
#   asan     the tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan     the tests under ThreadSanitizer
#   fiu      the server with fault points and remote control for fiu-ctrl
#   crash    -O2 with the tests' code: simulator, explorer, benchmarks
#   lib      -O2 -fPIC, everything hidden that riptide.h does not show: `make lib`
#   nolz4    as release, built as where liblz4 is not installed

VARIANT ?= release
BUILD   := build/$(VARIANT)
CC      ?= cc
# WERROR is empty for users; tests and CI set it.
WERROR  ?=
# V=1 shows the whole commands.
V       ?= 0
Q       := $(if $(filter 1,$(V)),,@)

# Compression needs liblz4; without it everything else works. LZ4=no does not look for it.
LZ4_ASKED := $(filter-out undefined,$(origin LZ4))
LZ4 ?= $(shell printf '\043include <lz4.h>\nint main(void) { return !LZ4_sizeofState(); }' | \
         $(CC) -x c - -o /dev/null -llz4 2> /dev/null && echo yes || echo no)
LZ4 := $(LZ4)
export LZ4
WITH_LZ4 := $(if $(filter nolz4,$(VARIANT)),no,$(LZ4))

WARN   := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS_COMMON := -std=c11 -D_GNU_SOURCE -I. -g -MMD -MP -fno-common $(WARN) $(WERROR) \
                 $(if $(filter yes,$(WITH_LZ4)),-DWITH_LZ4)
LDLIBS_COMMON := $(if $(filter yes,$(WITH_LZ4)),-llz4) -pthread

CFLAGS_release := -O2 $(HARDEN)
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
CFLAGS_test := -O1 -DFIU_ENABLE
LDLIBS_test := -lfiu -ldl
CFLAGS_asan := -O1 -DFIU_ENABLE -fsanitize=address,undefined -fno-sanitize-recover=all \
               -fno-omit-frame-pointer
LDFLAGS_asan := -fsanitize=address,undefined
LDLIBS_asan := -lfiu -ldl
CFLAGS_tsan := -O1 -DFIU_ENABLE -fsanitize=thread
LDFLAGS_tsan := -fsanitize=thread
LDLIBS_tsan := -lfiu -ldl
CFLAGS_fiu := -O2 -DFIU_ENABLE
LDLIBS_fiu := -lfiu -ldl
CFLAGS_crash := -O2
CFLAGS_nolz4 := -O1
CFLAGS_lib := -O2 $(filter-out -fPIE,$(HARDEN)) -fPIC -fvisibility=hidden
LDFLAGS_lib := -Wl,-z,relro,-z,now,-z,defs

CFLAGS_ALL  = $(CFLAGS_COMMON) $(CFLAGS_$(VARIANT)) $(CFLAGS)
LDFLAGS_ALL = $(LDFLAGS_$(VARIANT)) $(LDFLAGS)
LDLIBS_ALL  = $(LDLIBS_$(VARIANT)) $(LDLIBS_COMMON)

FAULT_SRC  := $(wildcard fault/*.c)
ENGINE_SRC := $(wildcard engine/*.c)
SERVER_SRC := $(filter-out server/%main.c,$(wildcard server/*.c))
PROP_SRC   := $(wildcard proptests/*.c)
TEST_SRC   := $(wildcard tests/*.c tests/support/*.c tests/fault/*_test.c \
                tests/fault/litmus.c tests/fault/litmus_programs.c \
                tests/engine/*_test.c tests/server/*_test.c tests/crash/*_test.c \
                tests/proptests/*_test.c)
# The crash explorer's modules: in the suites, and in the program `crash`.
CRASH_SRC  := $(filter-out %_test.c tests/crash/crash.c,$(wildcard tests/crash/*.c))
TEST_SRC   += $(CRASH_SRC)
# The suites in which threads meet are all that ThreadSanitizer's variant is made of.
THREAD_SRC := $(wildcard tests/fault/sched*_test.c) tests/engine/db_work_test.c
ifeq ($(VARIANT),tsan)
TEST_SRC   := $(wildcard tests/*.c tests/support/*.c) $(THREAD_SRC)
endif
# Those that take longest start first, so that no processor waits for them in the end.
LONG       := $(patsubst %,tests/%_test.c,crash/interleave engine/db_work proptests/play \
                engine/riptide engine/liveness crash/merging fault/images crash/explore \
                e2e/package_index e2e/kill e2e/damage)
long_first = $(filter $(1),$(LONG)) $(sort $(filter-out $(LONG),$(1)))
SUITES     := $(call long_first,$(filter %_test.c,$(TEST_SRC)))

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# A make of one variant from within another; two jobs at a time unless told otherwise.
JOBS ?= 2
SUB = --no-print-directory $(if $(findstring --jobserver,$(MAKEFLAGS)),,-j$(JOBS))

all: ## build the release programs (the default)
	@$(if $(LZ4_ASKED),,$(if $(filter no,$(LZ4)),echo '  without lz4: liblz4-dev would add compression of tables'))
	@$(MAKE) $(SUB) VARIANT=release build/release/riptidekv-server \
	    build/release/riptidekv-check

# Two files that change only when their text does: what is built from which sources, and
# with which flags. Removing a source or passing other flags then rebuilds what it must.
$(BUILD)/sources: TEXT = $(FAULT_SRC) $(ENGINE_SRC) $(SERVER_SRC) $(PROP_SRC) $(TEST_SRC)
$(BUILD)/flags: TEXT = $(CC) $(filter-out -Werror,$(CFLAGS_ALL)) \
                     $(LDFLAGS_ALL) $(LDLIBS_ALL)
$(BUILD)/sources $(BUILD)/flags: FORCE
	$(shell mkdir -p $(@D))$(file > $@.new,$(TEXT))
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
FORCE:

# Only the simulator and the plans of the floor stay out of the release server: they are
# never linked because nothing in it refers to them (static library).
$(BUILD)/libfault.a: $(call obj,$(FAULT_SRC))
$(BUILD)/libengine.a: $(call obj,$(ENGINE_SRC))
$(BUILD)/libserver.a: $(call obj,$(SERVER_SRC))
$(BUILD)/%.a: $(BUILD)/sources
	@rm -f $@
	@echo '  ar  $@'
	$(Q)ar rcs $@ $(filter %.o,$^)

$(BUILD)/riptidekv-server: $(BUILD)/server/main.o $(BUILD)/libserver.a \
                           $(BUILD)/libengine.a $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  cc  $@'
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

# The table of suites follows from the names of the files: tests/engine/wal_read_test.c is
# the suite engine/wal_read and defines `CU_TestInfo engine_wal_read_tests[]`.
$(BUILD)/suites.inc: $(BUILD)/sources Makefile
	@mkdir -p $(@D)
	@for f in $(SUITES); do n=$${f#tests/}; n=$${n%_test.c}; \
	  echo "SUITE(\"$$n\", $$(echo $$n | tr / _)_tests)"; done > $@

$(BUILD)/tests/main.o: $(BUILD)/suites.inc
$(BUILD)/tests/main.o: CFLAGS += -I$(BUILD)

$(BUILD)/run-tests: $(call obj,$(TEST_SRC)) $(call obj,$(PROP_SRC)) $(BUILD)/libserver.a \
                    $(BUILD)/libengine.a $(BUILD)/libfault.a $(BUILD)/sources
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.o %.a,$^) -lcunit $(LDLIBS_ALL)

run: all ## serve on 127.0.0.1:6379 with data in .data/ (ARGS="--port 7000 ..." adds flags)
	@mkdir -p .data
	build/release/riptidekv-server --dir .data/store $(ARGS)

clean: ## remove everything that was built (not .data/)
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-zA-Z0-9_-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: FORCE all run clean help

# ---- tests ----
#
# A step is a target whose last line carries its counts ("N passed, N failed", or
# "name: N things, F failed"). tests/steps.sh runs the steps and adds the counts up; add
# yours with `TEST_STEPS += name` (part of `make test`, ten minutes in all) or with
# `CI_STEPS += name` (only in .ci/run, twenty-five minutes in all).

STEP_MAKE  = $(MAKE) --no-print-directory $(MAKEOVERRIDES)
TEST_STEPS = unit runner-check clang-check tidy
CI_STEPS   = asan tsan lint

test: ## install what tests need, build with warnings as errors, run every check
	@tests/install.sh
	@MAKEFLAGS= tests/steps.sh '$(STEP_MAKE)' $(TEST_STEPS)

ci-steps: ## what .ci/run adds to `make test`: sanitizers, smoke runs of the benchmarks
	@tests/install.sh
	@MAKEFLAGS= tests/steps.sh '$(STEP_MAKE)' $(CI_STEPS)

unit: ## every suite of tests/, each in a process of its own
	@$(MAKE) $(SUB) VARIANT=test WERROR=-Werror build/test/run-tests
	build/test/run-tests --jobs $(JOBS) --timeout 300 --junit build/test/junit.xml

runner-check: ## the test runner and the adding up of steps, on suites that fail
	@$(MAKE) $(SUB) VARIANT=test WERROR=-Werror build/test/run-tests
	tests/runner_test.sh build/test

clang-check: ## clang compiles every file without a warning, with and without fault points
	@$(MAKE) $(SUB) VARIANT=test build/test/suites.inc
	tests/clang_check.sh $(CFLAGS_COMMON) -Ibuild/test

tidy: ## the rules of style that a program can check, each with a proof that it can fail
	tests/tidy.sh

lint: ## clang-tidy over the layers
	tests/lint.sh $(CFLAGS_COMMON)

# The suites run longer under the sanitizers, hence the timeout. One explores hundreds of
# thousands of images for a single comparison; crash-asan is there for the explorer. And
# what `unit` runs in full is run in part: each call fails in one of four ways instead of
# in all of them (STRIDE), and fewer stores live through random lives (LIVES).
asan: ## the suites under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) $(SUB) VARIANT=asan WERROR=-Werror build/asan/run-tests
	STRIDE=4 LIVES=500 UBSAN_OPTIONS=print_stacktrace=1 \
	  build/asan/run-tests --jobs $(JOBS) --timeout 400 --without crash/merging

# Only suites in which threads meet: the others would cost minutes and show nothing.
TSAN_SUITES = $(patsubst tests/%_test.c,%,$(filter tests/fault/%,$(THREAD_SRC)))

tsan: ## the suites with threads under ThreadSanitizer
	@$(MAKE) $(SUB) VARIANT=tsan WERROR=-Werror build/tsan/run-tests
	timeout 600 build/tsan/run-tests $(TSAN_SUITES)

.PHONY: test ci-steps unit runner-check clang-check tidy lint asan tsan

# ---- the engine by itself ----

$(BUILD)/riptidekv-check: $(BUILD)/server/check_main.o $(BUILD)/libserver.a \
                          $(BUILD)/libengine.a $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

# One object of everything that riptide.h and riptide_server.h need, in which only
# riptide_* is visible. Both libraries are made of it.
LIB_MAJOR   = 0
LIB_VERSION = $(shell sed -n 's/^#define RIPTIDE_VERSION "\(.*\)"/\1/p' engine/riptide.h)

$(BUILD)/riptide.o: $(BUILD)/engine/riptide.o $(BUILD)/server/riptide_server.o \
                    $(BUILD)/libserver.a $(BUILD)/libengine.a $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) -r -nostdlib -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group
	$(Q)objcopy --wildcard --keep-global-symbol='riptide_*' $@

$(BUILD)/libriptide.a: $(BUILD)/riptide.o
	@rm -f $@
	@echo '  ar  $@'
	$(Q)ar rcs $@ $<

$(BUILD)/libriptide.so: $(BUILD)/riptide.o
	@echo '  ld  $@'
	$(Q)$(CC) -shared -Wl,-soname,libriptide.so.$(LIB_MAJOR) $(LDFLAGS_ALL) -o $@ $< \
	    $(LDLIBS_ALL)

lib: ## engine and server as a library: build/release/libriptide.a and libriptide.so
	@$(MAKE) $(SUB) VARIANT=lib build/lib/libriptide.a build/lib/libriptide.so
	@mkdir -p build/release
	@cp build/lib/libriptide.a build/lib/libriptide.so build/release/

PREFIX ?= /usr/local
INSTALL_TO = $(DESTDIR)$(PREFIX)

install: all lib ## programs, library, header and pkg-config file below PREFIX (/usr/local)
	install -d $(INSTALL_TO)/bin $(INSTALL_TO)/include $(INSTALL_TO)/lib/pkgconfig
	install -m 755 build/release/riptidekv-server build/release/riptidekv-check \
	    $(INSTALL_TO)/bin
	install -m 644 engine/riptide.h $(INSTALL_TO)/include
	sed 's,"engine/riptide.h",<riptide.h>,' server/riptide_server.h \
	    > $(INSTALL_TO)/include/riptide_server.h
	install -m 644 build/release/libriptide.a $(INSTALL_TO)/lib
	install -m 755 build/release/libriptide.so $(INSTALL_TO)/lib/libriptide.so.$(LIB_VERSION)
	ln -sf libriptide.so.$(LIB_VERSION) $(INSTALL_TO)/lib/libriptide.so.$(LIB_MAJOR)
	ln -sf libriptide.so.$(LIB_MAJOR) $(INSTALL_TO)/lib/libriptide.so
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: riptide' \
	    'Description: sorted key-value store that survives crashes' \
	    'Version: $(LIB_VERSION)' 'Cflags: -I$${prefix}/include' \
	    'Libs: -L$${prefix}/lib -lriptide' 'Libs.private: $(LDLIBS_ALL)' \
	    > $(INSTALL_TO)/lib/pkgconfig/riptide.pc

TEST_STEPS += check-tool lz4 embed invariants api-check

api: ## write docs/api.md from engine/riptide.h
	tests/api.sh --write

api-check: ## docs/api.md is what engine/riptide.h says
	tests/api.sh

invariants: ## docs/invariants.md against the code that cites it and the tests that it names
	@$(MAKE) $(SUB) VARIANT=test WERROR=-Werror build/test/run-tests
	tests/invariants.sh build/test

check-tool: all ## riptidekv-check on a sound store, a damaged one, one in use, and on none
	tests/check.sh build/release

lz4: all ## a build with liblz4 and one without: who opens what, and who refuses what
	@$(MAKE) $(SUB) VARIANT=nolz4 WERROR=-Werror build/nolz4/riptidekv-server \
	    build/nolz4/riptidekv-check
	tests/lz4.sh build/release build/nolz4

embed: ## install the library somewhere; example programs that know nothing else use it
	@tests/install.sh pkg-config
	tests/embed.sh

.PHONY: check-tool lz4 embed invariants api api-check lib install

TSAN_SUITES += $(addprefix engine/db_work/,worker_threads_come_to_the_same_contents \
                 an_iterator_and_worker_threads_do_not_meet \
                 a_failure_on_a_worker_thread_loses_nothing \
                 a_worker_syncs_while_the_owner_writes \
                 closing_waits_for_the_jobs_in_flight)

# ---- end to end ----
#
# The same runner over tests/e2e: the real server as a process, on the real disk.

TEST_STEPS += e2e
CI_STEPS   += e2e-asan
E2E_SUITES := $(call long_first,$(wildcard tests/e2e/*_test.c))
E2E_SRC    := $(wildcard tests/e2e/*.c tests/support/*.c)

$(BUILD)/e2e/suites.inc: $(E2E_SUITES) Makefile
	@mkdir -p $(@D)
	@for f in $(E2E_SUITES); do n=$$(basename $$f _test.c); \
	  echo "SUITE(\"e2e/$$n\", e2e_$${n}_tests)"; done > $@

$(BUILD)/e2e/main.o: tests/main.c $(BUILD)/e2e/suites.inc $(BUILD)/flags
	@echo '  cc  $@'
	$(Q)$(CC) $(CFLAGS_ALL) -I$(BUILD)/e2e -c -o $@ $<

$(BUILD)/run-e2e: $(BUILD)/e2e/main.o $(call obj,$(E2E_SRC)) $(call obj,$(PROP_SRC)) \
                  $(BUILD)/libserver.a $(BUILD)/libengine.a $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ -lcunit $(LDLIBS_ALL)

fiu: ## the server with fault points, for fiu-ctrl: build/fiu/riptidekv-server
	@$(MAKE) $(SUB) VARIANT=fiu build/fiu/riptidekv-server

e2e: all fiu ## the real server: killed, misled, damaged, refused, and asked by redis-cli
	@$(MAKE) $(SUB) VARIANT=test WERROR=-Werror build/test/run-e2e
	build/test/run-e2e --verbose --jobs $(JOBS) --timeout 300 --junit build/test/junit-e2e.xml

e2e-asan: fiu ## the same with a server under AddressSanitizer
	@$(MAKE) $(SUB) VARIANT=asan WERROR=-Werror build/asan/riptidekv-server
	@$(MAKE) $(SUB) VARIANT=test WERROR=-Werror build/test/run-e2e
	RIPTIDEKV_SERVER=build/asan/riptidekv-server MEMORY_FACTOR=10 \
	  ASAN_OPTIONS=quarantine_size_mb=8 \
	  build/test/run-e2e --verbose --jobs $(JOBS) --timeout 600

.PHONY: fiu e2e e2e-asan

# ---- benchmark of the server ----

CI_STEPS += bench-server-smoke
BENCH_REQUESTS ?= 300000
BENCH_REPEATS  ?= 5

$(BUILD)/bench_server: $(call obj,tests/bench/bench_server.c tests/support/resp_client.c \
                        tests/support/server_process.c)
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

bench-server: all ## requests per second and processor time beside Redis (a quarter of an hour)
	@tests/install.sh redis-tools
	@$(MAKE) $(SUB) VARIANT=crash build/crash/bench_server
	build/crash/bench_server --requests $(BENCH_REQUESTS) --repeats $(BENCH_REPEATS) \
	  --csv build/bench-server.csv

bench-server-smoke: all # a hundredth of it, to see that it works
	@$(MAKE) $(SUB) VARIANT=crash build/crash/bench_server
	build/crash/bench_server --requests 3000 --repeats 1

.PHONY: bench-server bench-server-smoke

# ---- benchmark of memtable and tables ----

CI_STEPS += bench-tables-smoke

$(BUILD)/bench_tables: $(call obj,tests/bench/bench_tables.c) $(BUILD)/libengine.a \
                       $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

bench-tables: ## nanoseconds of memtable, table and merge operations (ARGS="--count 100000")
	@$(MAKE) $(SUB) VARIANT=crash build/crash/bench_tables
	build/crash/bench_tables $(ARGS)

bench-tables-instructions: ## the same in instructions an operation, by callgrind
	@$(MAKE) $(SUB) VARIANT=crash build/crash/bench_tables
	tests/bench/instructions.sh build/crash/bench_tables

bench-tables-smoke: # a hundredth of it, to see that it works
	@$(MAKE) $(SUB) VARIANT=crash build/crash/bench_tables
	build/crash/bench_tables --count 10000 --repeats 1

.PHONY: bench-tables bench-tables-instructions bench-tables-smoke

# ---- golden stores ----

GOLDEN ?= format-1-lz4

golden: ## write one golden store anew, GOLDEN=format-1-lz4 (tests/golden/README.md says when)
	@$(MAKE) $(SUB) VARIANT=test WERROR=-Werror build/test/run-tests
	GOLDEN_WRITE=$(GOLDEN) build/test/run-tests engine/golden

.PHONY: golden

# ---- the pages ----

TEST_STEPS += docs

docs: all ## what the pages say of files, targets, flags and functions is true
	tests/docs.sh build/release

.PHONY: docs

# ---- the floor ----

TEST_STEPS += symbols
CI_STEPS   += bench-points shim-proof

symbols: ## no file call outside the shim, no trace of fault points, by the objects' symbols
	@$(MAKE) $(SUB) VARIANT=release WERROR=-Werror floor-objects
	tests/symbols.sh build/release $(CFLAGS_COMMON) $(CFLAGS_release)

floor-objects: $(call obj,$(FAULT_SRC) $(ENGINE_SRC) $(SERVER_SRC) $(wildcard server/*main.c))

$(BUILD)/bench_points: $(BUILD)/tests/bench/bench_points.o $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

bench-points: ## nanoseconds that a disabled fault point costs (limit 2)
	@$(MAKE) $(SUB) VARIANT=fiu WERROR=-Werror build/fiu/bench_points
	timeout 120 build/fiu/bench_points

$(BUILD)/shim_load: $(BUILD)/tests/bench/shim_load.o $(BUILD)/libengine.a \
                    $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

shim-proof: ## every file call goes through the shim: by symbols, and by stacks under strace
	@$(MAKE) $(SUB) VARIANT=release WERROR=-Werror floor-objects build/release/shim_load
	@$(MAKE) $(SUB) VARIANT=test WERROR=-Werror build/test/run-e2e
	tests/shim_proof.sh $(CFLAGS_COMMON) $(CFLAGS_release)

.PHONY: symbols floor-objects bench-points shim-proof

# ---- the simulated disk ----

TEST_STEPS += litmus
CI_STEPS   += bench-snapshot

$(BUILD)/litmus: $(call obj,tests/fault/litmus.c tests/fault/litmus_programs.c \
                  tests/fault/litmus_main.c tests/support/arguments.c) $(BUILD)/libfault.a
$(BUILD)/bench_snapshot: $(BUILD)/tests/bench/bench_snapshot.o $(BUILD)/libfault.a
$(BUILD)/differential: $(call obj,tests/fault/differential_main.c \
                        tests/support/differential.c tests/support/arguments.c) \
                        $(BUILD)/libfault.a
$(BUILD)/litmus $(BUILD)/bench_snapshot $(BUILD)/differential:
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

litmus: ## small programs whose outcomes after a crash are known by heart, and the rules
	@$(MAKE) $(SUB) VARIANT=crash WERROR=-Werror build/crash/litmus
	timeout 60 build/crash/litmus

differential: ## random calls on the simulated and the real disk (SEED= N= DIR=)
	@$(MAKE) $(SUB) VARIANT=crash WERROR=-Werror build/crash/differential
	timeout 1800 build/crash/differential $(if $(SEED),--seed $(SEED)) \
	  $(if $(N),--count $(N)) $(if $(DIR),--dir $(DIR))

bench-snapshot: ## snapshots of a simulated disk a second (at least 200,000)
	@$(MAKE) $(SUB) VARIANT=crash WERROR=-Werror build/crash/bench_snapshot
	timeout 120 build/crash/bench_snapshot

.PHONY: litmus differential bench-snapshot

# ---- random tapes ----

TAPES_SRC := tests/proptests/tapes.c tests/support/playstage.c tests/support/simworld.c \
             tests/support/order_edits.c tests/support/arguments.c \
             tests/support/check.c $(PROP_SRC)
$(BUILD)/tapes: $(call obj,$(TAPES_SRC)) $(BUILD)/libengine.a $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ -lcunit $(LDLIBS_ALL)

tapes: ## random operations on simulated stores, against the model (ARGS="--help" tells more)
	@$(MAKE) $(SUB) VARIANT=crash WERROR=-Werror build/crash/tapes
	build/crash/tapes $(ARGS)

.PHONY: tapes

TEST_STEPS += test-programs

test-programs: ## the programs for tests: they take arguments exactly, or refuse them
	@$(MAKE) $(SUB) VARIANT=crash WERROR=-Werror \
	  $(addprefix build/crash/,litmus differential tapes crash)
	tests/fault/programs_test.sh build/crash

.PHONY: test-programs

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- crashes ----

TEST_STEPS += crash-program crash-smoke crash-certificates contract-check
CI_STEPS   += bugs crash-asan

CRASH = timeout 3600 build/crash/crash --jobs $(JOBS)

# In the variant `crash` gcc optimises the explorer as a whole: it recovers some
# 6 % more images a second. The objects are its own, so that what the benchmarks measure stays what
# users run. LTO=no links sooner.
WHOLE := $(if $(filter crash,$(VARIANT)),$(if $(filter no,$(LTO)),,$(if \
           $(findstring Free Software,$(shell $(CC) --version)),-flto=$(JOBS) -fno-pie)))
EXPLORER_SRC := tests/crash/crash.c $(CRASH_SRC) $(PROP_SRC) tests/support/order_edits.c \
                tests/support/arguments.c

$(BUILD)/whole/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  cc  $< (whole)'
	$(Q)$(CC) $(CFLAGS_ALL) $(WHOLE) -c -o $@ $<

ifneq ($(WHOLE),)
$(BUILD)/crash: $(patsubst %.c,$(BUILD)/whole/%.o,$(EXPLORER_SRC) $(SERVER_SRC) \
                  $(ENGINE_SRC) $(FAULT_SRC))
else
$(BUILD)/crash: $(call obj,$(EXPLORER_SRC)) \
                $(BUILD)/libserver.a $(BUILD)/libengine.a $(BUILD)/libfault.a
endif
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(WHOLE) $(LDFLAGS_ALL) $(if $(WHOLE),-no-pie) -o $@ \
	    $(filter %.o %.a,$^) $(LDLIBS_ALL)

crash-build: ## builds the crash explorer, build/crash/crash (--help tells its options)
	@$(MAKE) $(SUB) VARIANT=crash WERROR=-Werror build/crash/crash

crash: crash-build ## every crash of every scenario, judged (docs/crash-testing.md)
	$(CRASH) $(ARGS)

crash-smoke: crash-build ## half a million crashes, part of `make test`
	$(CRASH) --pass cuts --quiet --walk 20000 --deviations 1 --samples 1000 --inner 256
	$(CRASH) --pass server --quiet --shard 0/6 --walk 20000 --samples 1000
	$(CRASH) --scenario race-compact --quiet
	$(CRASH) --random 12 --seed 1 --quiet --walk 2000 --deviations 1 --samples 200 --inner 256

crash-asan: ## a million crashes under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) $(SUB) VARIANT=asan WERROR=-Werror build/asan/crash
	tests/crash/asan.sh build/asan/crash --jobs $(JOBS)

crash-deep: crash-build ## crashes inside recoveries, to the fixpoint; servers; schedules
	$(CRASH) --pass deep --pass server --pass interleave --seconds 60 $(ARGS)

LONG_STATE = build/crash-long$(if $(SHARD),.$(subst /,of,$(SHARD)))
crash-long: crash-build ## random tapes FOR=3600 seconds, then or after ^C the same goes on (SHARD=0/2)
	tests/crash/long.sh build/crash/crash $(if $(filter command%,$(origin FOR)),$(FOR),3600) \
	  $(LONG_STATE) $(or $(SHARD),0/1) --jobs $(JOBS) $(ARGS)

crash-certificates: crash-build ## the walk visits what a second program counts
	tests/crash/certify.sh build/crash/crash

CONTRACT = tests/crash/contract.py build/crash/crash
contract: crash-build ## writes the table of docs/persistence-contract.md anew (some minutes)
	$(CONTRACT) --write docs/persistence-contract.md

contract-check: crash-build ## the table lists the live scenarios, and samples of it are true
	$(CONTRACT) --check docs/persistence-contract.md

.PHONY: contract contract-check

bugs: ## plants the bugs of fault/bugs, each must be caught and shrunk
	fault/bugs/run.sh $(BUGS)

crash-program: crash-build ## the program itself: its words, its files, its exit codes
	tests/crash/crash_test.sh build/crash/crash

.PHONY: crash crash-build crash-smoke crash-program crash-asan crash-deep crash-long crash-certificates bugs

# ---- engine benchmark ----

BENCH_ENGINE_SRC := $(addprefix tests/bench/,bench_engine.c bench_riptide.c bench_leveldb.c \
                      bench_rocksdb.c bench_lmdb.c)
BENCH_PACKAGES   := libleveldb-dev librocksdb-dev liblmdb-dev python3

$(BUILD)/bench-engine: $(call obj,$(BENCH_ENGINE_SRC)) $(BUILD)/libengine.a \
                       $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ -lleveldb -lrocksdb -llmdb $(LDLIBS_ALL)

bench-engine: ## the engine beside LevelDB, RocksDB and LMDB (ARGS="--repeats 3"; an hour)
	@tests/install.sh $(BENCH_PACKAGES)
	@$(MAKE) $(SUB) build/release/bench-engine
	@tests/bench/bench_engine.py build/release/bench-engine $(ARGS)

bench-engine-smoke: ## one per cent of it
	@$(MAKE) --no-print-directory bench-engine \
	  ARGS="--n 10000 --repeats 1 --out build/bench/engine-smoke"

bench-instructions: ## instructions of a put and a get, ours beside LevelDB's, by callgrind
	@tests/install.sh $(BENCH_PACKAGES) valgrind
	@$(MAKE) $(SUB) build/release/bench-engine
	timeout 1800 tests/bench/bench_instructions.sh build/release/bench-engine

bench-instructions-smoke: ## one per cent of it
	@tests/install.sh $(BENCH_PACKAGES) valgrind
	@$(MAKE) $(SUB) build/release/bench-engine
	N=500 OUT=build/bench/instructions-smoke.json timeout 600 \
	  tests/bench/bench_instructions.sh build/release/bench-engine

CI_STEPS += bench-instructions-smoke

.PHONY: bench-engine bench-engine-smoke bench-instructions bench-instructions-smoke

# ---- more data than memory; loads for a while ----

CI_STEPS += bench-large-smoke soak-loads-smoke

figures: ## write what the benchmarks measured into docs/performance.md
	tests/bench/fill_figures.py

.PHONY: figures
BENCH_DIR ?= build/bench/large
SOAK_DIR  ?= build/bench/soak

$(BUILD)/bench_large: $(call obj,tests/bench/bench_large.c) $(BUILD)/libengine.a \
                      $(BUILD)/libfault.a
$(BUILD)/soak_loads: $(call obj,tests/bench/soak_loads.c) $(BUILD)/libengine.a \
                     $(BUILD)/libfault.a
$(BUILD)/bench_large $(BUILD)/soak_loads:
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

bench-large: ## 2.2 GB of data, 64 MB of cache and memtables: speed and memory (BENCH_DIR=)
	@$(MAKE) $(SUB) build/release/bench_large
	@mkdir -p $(dir $(BENCH_DIR))
	timeout 3600 build/release/bench_large $(BENCH_DIR) $(ARGS)

bench-large-smoke: # one per cent of it
	@$(MAKE) $(SUB) build/release/bench_large
	@mkdir -p build/bench
	timeout 120 build/release/bench_large build/bench/large-smoke --megabytes 22

soak-loads: ## 24 mixed loads, FOR=25 seconds each: memory and descriptors stay flat
	@$(MAKE) $(SUB) build/release/soak_loads
	@mkdir -p $(dir $(SOAK_DIR))
	timeout 86400 build/release/soak_loads $(SOAK_DIR) \
	  --seconds $(if $(filter command environment,$(origin FOR)),$(FOR),25)

soak-loads-smoke: # half a second each
	@$(MAKE) $(SUB) build/release/soak_loads
	@mkdir -p build/bench
	timeout 300 build/release/soak_loads build/bench/soak-smoke --seconds 0.5

.PHONY: bench-large bench-large-smoke soak-loads soak-loads-smoke

# ---- fuzzing ----
#
# fuzz/README.md explains the targets. Each is built three ways from the same file: for
# AFL++ (build/fuzz/TARGET), and for replaying files in any variant.

FUZZ_TARGETS := resp wal
FUZZ_SRC_resp := fuzz/fuzz_resp.c server/resp_parse.c server/number.c fault/rng.c
FUZZ_SRC_wal  := fuzz/fuzz_wal.c fuzz/bytes_disk.c engine/wal_read.c engine/wal_write.c \
                 engine/batch.c engine/coding.c engine/crc32c.c engine/err.c \
                 engine/filename.c engine/new_file.c fault/shim.c fault/sites.c fault/mem.c
FUZZ_CFLAGS := -std=c11 -D_GNU_SOURCE -I. -g -O2 -fno-omit-frame-pointer
TEST_STEPS += fuzz-regress
CI_STEPS   += fuzz-smoke bench-engine-smoke

build/fuzz/mutate_wal.so: fuzz/mutate_wal.c engine/wal_write.c engine/coding.c \
                          engine/crc32c.c engine/filename.c engine/new_file.c \
                          engine/err.c fault/rng.c \
                          fault/shim.c fault/sites.c fault/mem.c Makefile
	@mkdir -p $(@D)
	$(CC) $(FUZZ_CFLAGS) -fPIC -shared -o $@ $(filter %.c,$^)
build/fuzz/resp: $(FUZZ_SRC_resp)
build/fuzz/wal: $(FUZZ_SRC_wal) build/fuzz/mutate_wal.so
$(addprefix build/fuzz/,$(FUZZ_TARGETS)): build/fuzz/%: fuzz/target.h $(wildcard engine/*.h fault/*.h server/*.h fuzz/*.h)
	@mkdir -p $(@D)
	AFL_USE_ASAN=1 AFL_USE_UBSAN=1 AFL_QUIET=1 afl-clang-fast $(FUZZ_CFLAGS) \
	  -fsanitize=fuzzer -o $@ $(FUZZ_SRC_$*)

$(addprefix $(BUILD)/fuzz/replay_,$(FUZZ_TARGETS)): $(BUILD)/fuzz/replay_%: \
    $(BUILD)/fuzz/replay.o $(BUILD)/fuzz/fuzz_%.o $(BUILD)/fuzz/bytes_disk.o \
    $(BUILD)/libserver.a $(BUILD)/libengine.a $(BUILD)/libfault.a
	@echo '  ld  $@'
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

TARGET ?= resp
FOR    ?= 60
fuzz: ## fuzz one TARGET (resp, wal) FOR so many seconds with AFL++
	@$(if $(filter $(TARGET),$(FUZZ_TARGETS)),,echo "fuzz: TARGET=$(TARGET): \
	  one of $(FUZZ_TARGETS)" >&2; exit 2)
	@tests/install.sh afl++ clang
	@$(MAKE) $(SUB) build/fuzz/$(TARGET)
	@fuzz/run.sh $(TARGET) for $(FOR)

fuzz-smoke: ## a fixed number of executions of every fuzz target
	@tests/install.sh afl++ clang
	@$(MAKE) $(SUB) $(addprefix build/fuzz/,$(FUZZ_TARGETS))
	@fuzz/smoke.sh $(FUZZ_TARGETS)

fuzz-regress: ## play all seeds and all inputs that were ever found
	@$(MAKE) $(SUB) VARIANT=asan WERROR=-Werror \
	  $(addprefix build/asan/fuzz/replay_,$(FUZZ_TARGETS))
	@fuzz/replay.sh build/asan $(FUZZ_TARGETS)

fuzz-replay: ## play one FILE through a TARGET, with sanitizers that explain
	@$(MAKE) $(SUB) VARIANT=asan build/asan/fuzz/replay_$(TARGET)
	build/asan/fuzz/replay_$(TARGET) $(FILE)

fuzz-proof: ## plant bugs in parser and reader: the fuzzer must find each in 60 s
	@tests/install.sh afl++ clang
	@fuzz/proof.sh

.PHONY: fuzz fuzz-smoke fuzz-regress fuzz-replay fuzz-proof
