# digr -- DeepInterestGR in C. `make` alone prints what can be asked for.
#
# Sources are found by folder: src/<room>/*.c form the library (built in float, and again in double for gradient checks), NN_*.c are
# the stage programs, tests/test_*.c and tests/grad_*.c are test programs.

DATA      ?= auto
RUN       ?=
NAME      ?=
DIR       ?= tests/golden
SEEDS     ?=
BENCH     ?= all
SIZE      ?=
SEQ       ?=
BEAM      ?=
PRECISION ?=
V         ?= 0
PIN       ?= 0
MARCH     ?= native
SANITIZE  ?= 0
BUILD     ?= cache/build
export DIGR_DATA
# Threads that wait sleep after a moment instead of spinning: experiments side by side would otherwise starve each other.
export GOMP_SPINCOUNT ?= 1000

ROOMS := base io data llm tensor nn sid rec eval plan

# --- flags ---------------------------------------------------------------------------------------------------------------------
ifeq ($(origin CC),default)
CC := gcc
endif
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes
# -fno-math-errno: nobody reads errno after sqrt or log, and loops with them become vectors; values are the same.
BASE_FLAGS := -std=c11 -D_GNU_SOURCE -O3 -fno-math-errno -march=$(MARCH) $(WARNINGS) -fopenmp -Isrc -Itests
ifeq ($(PIN),1)
BASE_FLAGS += -ffp-contract=off
export OPENBLAS_CORETYPE := Haswell
endif
ifeq ($(WERROR),1)
BASE_FLAGS += -Werror
endif
LINK_FLAGS := -fopenmp
ifeq ($(SANITIZE),1)
BASE_FLAGS := $(filter-out -O3,$(BASE_FLAGS)) -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DDIGR_SANITIZE
LINK_FLAGS += -fsanitize=address,undefined
endif
CFLAGS_ALL = $(BASE_FLAGS) $(CFLAGS)
LIBS := -llapacke -lopenblas -lcjson -lcurl -lzstd -lz -lisal -lcrypto -lm -lpthread
TEST_LIBS := -lcheck -lsubunit -lssl -lcrypto -lrt -lm

Q := $(if $(filter 1,$(V)),,@)

# --- sources -------------------------------------------------------------------------------------------------------------------
# Kernels with instructions of one architecture, or the files that say they are absent.
NOT_HERE  := src/tensor/backend_cuda.c $(wildcard src/tensor/*_$(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),bf16_absent,bf16_x86).c)
LIB_SRC   := $(filter-out $(NOT_HERE),$(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c)))
STAGE_SRC := $(wildcard data_prep/[0-9][0-9]_*.c src/[0-9][0-9]_*.c src/reproduce.c)
TEST_SRC  := $(wildcard tests/test_*.c)
MOCK_SRC  := $(wildcard tests/mock_*.c) tests/fuzz/support.c $(wildcard tests/fuzz/fuzz_*.c)
GRAD_SRC  := $(wildcard tests/grad_*.c)
GOLD_SRC  := tests/golden_check.c $(wildcard tests/golden_[b-z]*.c tests/golden_a*.c)
GOLD_SRC  := $(sort $(GOLD_SRC))
BENCH_SRC := $(wildcard tests/bench/bench_*.c)
GOLD_KINDS := $(filter-out check,$(patsubst tests/golden_%.c,%,$(GOLD_SRC)))

obj32 = $(patsubst %.c,$(BUILD)/f32/%.o,$(1))
obj64 = $(patsubst %.c,$(BUILD)/f64/%.o,$(1))
program = $(addprefix $(BUILD)/bin/,$(notdir $(basename $(1))))

LIB32 := $(BUILD)/libdigr.a
LIB64 := $(BUILD)/libdigr64.a
MOCKS := $(BUILD)/libmock.a
STAGES := $(call program,$(STAGE_SRC))
TESTS  := $(call program,$(TEST_SRC))
GRADS  := $(call program,$(GRAD_SRC))
GOLDEN := $(BUILD)/bin/golden_f32 $(BUILD)/bin/golden_f64
BENCHES := $(call program,$(BENCH_SRC))
DEPS_OK := $(BUILD)/deps.ok

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help build reproduce data export card check-counts compare verify test golden-check bench lint fuzz build-fuzz clean clean-all deps doctor deps-dev expected FORCE
.DEFAULT_GOAL := help

## help: this text
help:
	@echo "digr: DeepInterestGR, from raw reviews to tables. Targets:"; \
	sed -n 's/^## \([a-z-]*\): \(.*\)/\1 \2/p' Makefile | while read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done; \
	echo "Variables: DATA=auto|sample|amazon|beauty|sports|instruments|toys|industrial  DIGR_DATA=folder or URL of the real data"; \
	echo "           SEEDS=n (fewer or more seeds)  METHODS=a,b or @ensemble  PRECISION=fp32|bf16 (of training and judging; default: bf16 where AMX is)  SANITIZE=1  PIN=1  V=1 (show commands)  BUILD=folder"

# --- dependencies --------------------------------------------------------------------------------------------------------------
APT_PACKAGES := gcc libc6-dev libgomp1 libopenblas-pthread-dev liblapacke-dev libzstd-dev zlib1g-dev libisal-dev libcjson-dev \
                libcurl4-openssl-dev libssl-dev check ca-certificates gnuplot-nox
APT_DEV := clang libomp-dev libclang-rt-14-dev cppcheck

## deps: install what is missing (Debian or Ubuntu; needs root or sudo)
deps: $(DEPS_OK)

$(DEPS_OK): Makefile .ci/deps.sh
	@mkdir -p $(@D)
	@APT_PACKAGES="$(APT_PACKAGES)" LIBS="$(LIBS) $(TEST_LIBS)" CC="$(CC)" sh .ci/deps.sh install
	@touch $@

## doctor: what was found, what is missing, and the line that installs it
doctor:
	@APT_PACKAGES="$(APT_PACKAGES)" LIBS="$(LIBS) $(TEST_LIBS)" CC="$(CC)" sh .ci/deps.sh doctor

deps-dev:
	@APT_PACKAGES="$(APT_DEV)" sh .ci/deps.sh packages

# --- building ------------------------------------------------------------------------------------------------------------------
## build: compile the stage programs
build: $(STAGES)

# The kernels of src/tensor are written for fused multiply-add; elsewhere products and sums are rounded one by one.
ifneq ($(PIN),1)
$(BUILD)/f32/src/tensor/%.o $(BUILD)/f64/src/tensor/%.o: CFLAGS_ALL += -ffp-contract=fast
endif

$(BUILD)/f32/%.o: %.c $(BUILD)/flags | $(DEPS_OK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/f64/%.o: %.c $(BUILD)/flags | $(DEPS_OK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -DREAL=double -MMD -MP -c $< -o $@

# Rebuild everything when the compiler or its flags change.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS_ALL) $(LINK_FLAGS) $(LIBS)' | cmp -s - $@ || echo '$(CC) $(CFLAGS_ALL) $(LINK_FLAGS) $(LIBS)' > $@

$(BUILD)/build_info.c: $(BUILD)/flags | $(DEPS_OK)
	@printf '#include "io/build_info.h"\nconst char BUILD_COMPILER[] = "%s";\nconst char BUILD_FLAGS[] = "%s";\n' \
	  "$$($(CC) --version | head -n 1 | tr -d '"\\')" '$(filter-out -I%,$(CFLAGS_ALL))' > $@

$(BUILD)/build_info.o: $(BUILD)/build_info.c
	$(Q)$(CC) $(CFLAGS_ALL) -c $< -o $@

$(LIB32): $(call obj32,$(LIB_SRC)) $(BUILD)/build_info.o
	$(Q)rm -f $@; $(AR) rcsD $@ $^

$(LIB64): $(call obj64,$(LIB_SRC)) $(BUILD)/build_info.o
	$(Q)rm -f $@; $(AR) rcsD $@ $^

# What tests share: servers that stand for the outside world, and the fuzz targets.
$(MOCKS): $(call obj32,$(MOCK_SRC))
	$(Q)rm -f $@; $(AR) rcsD $@ $^

define program_rule
$(BUILD)/bin/$(notdir $(basename $(1))): $(BUILD)/$(2)/$(basename $(1)).o $(3)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LINK_FLAGS) $$< $(3) $$(LIBS) $(4) -o $$@
endef
$(foreach s,$(STAGE_SRC),$(eval $(call program_rule,$(s),f32,$(LIB32),)))
$(foreach s,$(TEST_SRC),$(eval $(call program_rule,$(s),f32,$(MOCKS) $(LIB32),$(TEST_LIBS))))
$(foreach s,$(GRAD_SRC),$(eval $(call program_rule,$(s),f64,$(LIB64),$(TEST_LIBS))))
$(foreach s,$(BENCH_SRC),$(eval $(call program_rule,$(s),f32,$(LIB32),)))

# The golden runner finds its checkers by file name.
$(BUILD)/golden_registry.c: $(GOLD_SRC) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "golden_registry.h"'; \
	   for k in $(GOLD_KINDS); do echo "Status golden_$$k(GoldenCase *c);"; done; \
	   echo 'const GoldenKind GOLDEN_KINDS[] = {'; for k in $(GOLD_KINDS); do echo "    {\"$$k\", golden_$$k},"; done; \
	   echo '    {NULL, NULL}};'; } > $@

$(BUILD)/golden_registry32.o: $(BUILD)/golden_registry.c
	$(Q)$(CC) $(CFLAGS_ALL) -c $< -o $@
$(BUILD)/golden_registry64.o: $(BUILD)/golden_registry.c
	$(Q)$(CC) $(CFLAGS_ALL) -DREAL=double -c $< -o $@

$(BUILD)/bin/golden_f32: $(call obj32,$(GOLD_SRC)) $(BUILD)/golden_registry32.o $(LIB32)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK_FLAGS) $^ $(LIBS) -o $@
$(BUILD)/bin/golden_f64: $(call obj64,$(GOLD_SRC)) $(BUILD)/golden_registry64.o $(LIB64)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK_FLAGS) $^ $(LIBS) -o $@

-include $(patsubst %.o,%.d,$(call obj32,$(LIB_SRC) $(STAGE_SRC) $(TEST_SRC) $(MOCK_SRC) $(GOLD_SRC) $(BENCH_SRC)) $(call obj64,$(LIB_SRC) $(GRAD_SRC) $(GOLD_SRC)))

# --- experiments ---------------------------------------------------------------------------------------------------------------
# `make -jN reproduce` runs N steps side by side; without -j the program chooses.
JOBS ?= $(or $(patsubst -j%,%,$(filter -j%,$(MAKEFLAGS))),0)
export DIGR_COMMIT := $(shell git describe --always --dirty 2>/dev/null)
REPRODUCE = $(BUILD)/bin/reproduce --bin $(BUILD)/bin --data $(DATA) --source "$(DIGR_DATA)" --jobs $(JOBS) $(if $(SEEDS),--seeds $(SEEDS)) \
            $(if $(FORM),--form $(FORM)) $(if $(STEM),--stem "$(STEM)") $(if $(PROTOCOL),--protocol $(PROTOCOL)) $(if $(CORE),--k-core $(CORE)) \
            $(if $(or $(PRECISION),$(filter 1,$(PIN))),--precision $(or $(PRECISION),fp32)) \
            $(if $(METHODS),--methods $(METHODS)) $(if $(RESULTS),--results $(RESULTS)) $(if $(DRY_RUN),--dry-run)

## reproduce: everything, from raw data to the tables in results/ (DATA=auto|sample|amazon|<name>)
reproduce: build
	@env -u MAKEFLAGS -u MFLAGS $(REPRODUCE)

## data: prepare a data set and say where it is (DATA=beauty; own files: DATA=mine FORM=recbole DIGR_DATA=folder [STEM= PROTOCOL= CORE=1])
data: build
	@env -u MAKEFLAGS -u MFLAGS $(REPRODUCE) --methods none

## card: the data card of a set, printed and written (DATA=beauty)
card: build
	@env -u MAKEFLAGS -u MFLAGS $(REPRODUCE) --methods none --cards 1

## check-counts: published counts, and shipped rows against rows of our own, for the real sets of DIGR_DATA
check-counts: build
	@sh data_prep/check_counts.sh $(BUILD)/bin "$(DIGR_DATA)"

## export: a prepared data set in the files of other people's code (DATA=beauty FORMAT=recbole,lc-rec,minionerec,sasrec SIDS=folder of 06_tokenize)
export: data
	@[ -e cache/stages/$(DATA)/meta.json ] || { echo "export: name one data set, such as DATA=beauty or DATA=sample-beauty"; exit 2; }
	@$(BUILD)/bin/02_export --data cache/stages/$(DATA) $(if $(FORMAT),--format $(FORMAT)) $(if $(NAME),--name "$(NAME)") $(if $(SIDS),--sids "$(SIDS)") --out results/export-$(DATA)
	@echo "export: results/export-$(DATA)/ (a README.txt in each folder)"

## compare: judge a ranking file and place it in the tables (RUN=my.run DATA=beauty NAME=MyMethod)
compare: build
	@env -u MAKEFLAGS -u MFLAGS $(REPRODUCE) --run "$(RUN)" --name "$(NAME)"

RESULT_OF = $(or $(RESULTS),results/$(if $(filter auto,$(DATA)),sample,$(DATA))$(if $(SEEDS),-$(SEEDS)seeds))
EXPECTED  = results/expected/$(notdir $(RESULT_OF)).json

## verify: this machine's results against the committed ones, row by row, with tolerances (after make reproduce; DATA=sample by default)
verify: build
	@$(BUILD)/bin/11_report --quiet --index $(RESULT_OF)/index.json --verify $(EXPECTED)

## expected: write the reference file for make verify from this machine's results (for maintainers)
expected: build
	@mkdir -p $(dir $(EXPECTED))
	@$(BUILD)/bin/11_report --quiet --index $(RESULT_OF)/index.json --write-expected $(EXPECTED)

# --- tests ---------------------------------------------------------------------------------------------------------------------
## test: unit, numeric, gradient and integration tests; ends with Check's summaries and a total
test: $(TESTS) $(GRADS) $(GOLDEN) $(STAGES)
	@BIN=$(BUILD)/bin sh tests/run.sh $(TESTS) $(GRADS)

## golden-check: numeric oracles of a folder (DIR=tests/golden), in float (ref, cpu) and in double
golden-check: $(GOLDEN)
	@$(BUILD)/bin/golden_f32 $(DIR) && $(BUILD)/bin/golden_f64 $(DIR)

## bench: speed, one JSON line a measurement and a table at the end (BENCH=all|scale|train|beam|data|... SIZE=S|M|L SEQ=80|200 BEAM=20|50 PRECISION=fp32|bf16 BENCH_OPTIONS="rounds=1 seconds=1")
bench: $(BENCHES) $(STAGES)
	@sh tests/bench/run.sh $(BUILD)/bin $(BENCH) size=$(SIZE) seq=$(SEQ) beam=$(BEAM) precision=$(PRECISION) $(BENCH_OPTIONS)

# Fuzz targets: the rooms that read files, compiled with clang's sanitizers and coverage, one program for each target.
FUZZ         ?= all
FUZZ_SECONDS ?= 60
FUZZ_BUILD   := $(BUILD)/fuzz
FUZZ_FLAGS   := $(filter-out -O3 -O1,$(BASE_FLAGS)) -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -DDIGR_SANITIZE
FUZZ_ALL     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_NAMES   := $(if $(filter all,$(FUZZ)),$(FUZZ_ALL),$(FUZZ))
FUZZ_OBJ     := $(patsubst %.c,$(FUZZ_BUILD)/%.o,$(wildcard $(foreach r,base io data llm,src/$(r)/*.c)) tests/fuzz/support.c)
FUZZ_WRAP    := -Wl,--wrap=status_abort,--wrap=log_warn,--wrap=log_info
FUZZ_BIN     := $(patsubst %,$(FUZZ_BUILD)/bin/fuzz_%,$(FUZZ_NAMES))

$(BUILD)/bin/test_fuzz_corpus: private LINK_FLAGS += $(FUZZ_WRAP)

build-fuzz: deps-dev $(FUZZ_BIN)

## fuzz: hostile input, with clang's libFuzzer (FUZZ=all|name FUZZ_SECONDS=60 for each, two at a time)
fuzz: build-fuzz
	@BIN=$(FUZZ_BUILD)/bin CACHE=cache/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) JOBS=$(if $(filter 0,$(JOBS)),2,$(JOBS)) sh tests/fuzz/run.sh $(FUZZ_NAMES)

$(FUZZ_BUILD)/%.o: %.c | $(DEPS_OK)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

$(FUZZ_BUILD)/libdigr.a: $(FUZZ_OBJ)
	$(Q)rm -f $@; $(AR) rcsD $@ $^

$(FUZZ_BUILD)/bin/fuzz_%: $(FUZZ_BUILD)/tests/fuzz/fuzz_%.o tests/fuzz/entry.c $(FUZZ_BUILD)/libdigr.a
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer -DFUZZ_NAME=fuzz_$* $(FUZZ_WRAP) tests/fuzz/entry.c $< $(FUZZ_BUILD)/libdigr.a $(LIBS) -o $@

-include $(wildcard $(patsubst %.o,%.d,$(FUZZ_OBJ) $(patsubst %,$(FUZZ_BUILD)/tests/fuzz/fuzz_%.o,$(FUZZ_ALL))))

## lint: warnings as errors with gcc and clang, and the rules of the house
lint: deps-dev $(DEPS_OK)
	@CC=gcc FLAGS="$(filter-out -fopenmp,$(BASE_FLAGS))" sh tests/lint.sh $(LIB_SRC) $(STAGE_SRC) $(TEST_SRC) $(MOCK_SRC) $(GRAD_SRC) $(GOLD_SRC) $(BENCH_SRC)

## clean: remove what was compiled (keeps data, stages and results)
clean:
	rm -rf $(BUILD)
clean-all: clean
	rm -rf cache/stages cache/raw results/run-*
