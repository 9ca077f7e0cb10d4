# RiptideKV. `make help` lists the targets; docs/building.md explains the variants.
#
# Objects and programs lie in build/<variant>/. A variant is a set of flags:
#   release  -O2, hardened; what `make` and `make run` build
#   test     fault points and assertions on; what `make test` runs
#   asan     the tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan     the tests under ThreadSanitizer
#   fiu      the server with fault points and remote control for fiu-ctrl
#   crash    -O2 with the tests' code: simulator, explorer, benchmarks

VARIANT ?= release
BUILD   := build/$(VARIANT)
CC      ?= cc
# WERROR is empty for users; tests and CI set it.
WERROR  ?=

WARN   := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS_COMMON := -std=c11 -D_GNU_SOURCE -I. -g -MMD -MP -fno-common $(WARN) $(WERROR)
LDLIBS_COMMON := -pthread

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

CFLAGS_ALL  = $(CFLAGS_COMMON) $(CFLAGS_$(VARIANT)) $(CFLAGS)
LDFLAGS_ALL = $(LDFLAGS_$(VARIANT)) $(LDFLAGS)
LDLIBS_ALL  = $(LDLIBS_$(VARIANT)) $(LDLIBS_COMMON)

FAULT_SRC  := $(wildcard fault/*.c)
ENGINE_SRC := $(wildcard engine/*.c)
SERVER_SRC := $(filter-out server/main.c,$(wildcard server/*.c))
PROP_SRC   := $(wildcard proptests/*.c)
TEST_SRC   := $(wildcard tests/*.c tests/support/*.c tests/fault/*_test.c \
                tests/engine/*_test.c tests/server/*_test.c tests/crash/*_test.c \
                tests/proptests/*_test.c)
SUITES     := $(filter %_test.c,$(TEST_SRC))

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

all: ## build the release programs (the default)
	@$(MAKE) --no-print-directory VARIANT=release build/release/riptidekv-server

# Only the simulator and the plans of the floor stay out of the release server: they are
# never linked because nothing in it refers to them (static library).
$(BUILD)/libfault.a: $(call obj,$(FAULT_SRC))
$(BUILD)/libengine.a: $(call obj,$(ENGINE_SRC))
$(BUILD)/libserver.a: $(call obj,$(SERVER_SRC))
$(BUILD)/%.a:
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/riptidekv-server: $(BUILD)/server/main.o $(BUILD)/libserver.a \
                           $(BUILD)/libengine.a $(BUILD)/libfault.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

# The table of suites follows from the names of the files: tests/engine/wal_test.c is the
# suite engine/wal and defines `const CU_TestInfo engine_wal_tests[]`.
$(BUILD)/suites.inc: $(SUITES) Makefile
	@mkdir -p $(@D)
	@for f in $(sort $(SUITES)); do n=$${f#tests/}; n=$${n%_test.c}; \
	  echo "SUITE(\"$$n\", $$(echo $$n | tr / _)_tests)"; done > $@

$(BUILD)/tests/main.o: $(BUILD)/suites.inc
$(BUILD)/tests/main.o: CFLAGS += -I$(BUILD)

$(BUILD)/run-tests: $(call obj,$(TEST_SRC)) $(call obj,$(PROP_SRC)) \
                    $(BUILD)/libserver.a $(BUILD)/libengine.a $(BUILD)/libfault.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ -lcunit $(LDLIBS_ALL)

run: all ## serve on 127.0.0.1:6379 with data in .data/ (ARGS="--port 7000 ..." adds flags)
	@mkdir -p .data
	build/release/riptidekv-server --dir .data/store $(ARGS)

clean: ## remove everything that was built (not .data/)
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-zA-Z0-9_-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: all run clean help

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
