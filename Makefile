# xmcoh: restores and checks the order of documents whose steps are texts and pictures.
#
#   make && make install && make installcheck      the extension, against the server that PG_CONFIG names
#   make check                                     all tests, on throwaway servers; installs missing packages
#   make house | house-picture                     proves the order of the layers and prints them | into doc/design.md
#   make readme | reference                        rewrites the outputs in README.md | doc/reference.md
#   make demo                                      a tour in SQL, under two minutes
#   make fuzz                                      the fuzzers, 20000 inputs each, or FUZZ_SECONDS each
#   make check-cassert | check-valgrind | check-asan   the tests of KINDS on a server with assertions, built from source
#   make check-citus CITUS=folder                  tests on distributed tables; builds Citus from its source in the folder
#   make check-versions                            the tests of KINDS on PostgreSQL 15 to 18 (VERSIONS="17 18"): see test/versions.sh
#   make torture                                   200 random kills of workers and servers while jobs run and resume
#   make deb | check-deb                           Debian packages into build/deb | and README's ten lines and autopkgtest in a bare system
#   make guides                                    the measured example on real guides (GUIDES=folder)
#   make quality                                   measures each part of the method: doc/quality.md (FOLDS, SEEDS, SIZES, PARTS)
#   make bench-scale                               orders a million generated documents (DOCUMENTS=n SAMPLE=n)
#   make core | cli | unit | unit-asan | bench | clean
#
# Settings: PG_CONFIG=...  PG_MAJOR=n (the version of PostgreSQL to test with; else the newest that the machine has)
#           WERROR=1 (warnings are errors)  FUZZ_ITERATIONS=n  FUZZ_SECONDS=n  GUIDES=folder
#           DESTDIR=... (make install)  CLI_BINDIR=... (folder of the client)  CLI_MANDIR=... (folder with man1)

# One name per line: two branches that add a name do not conflict.
REGRESS = \
	extension \
	models \
	encoders \
	sources \
	decisions \
	groups \
	sentences \
	merged \
	encoder_models \
	hostile \
	jobs \
	monitor \
	schedules \
	quality \
	trained \
	metrics \
	scores \
	guidance \
	aggregates \
	evaluate \
	by \
	guard \
	items \
	check \
	document_state \
	explain \
	review \
	gaps \
	pilot \
	pictures \
	bad_input \
	rounds \
	settings \
	resume \
	study

ISOLATION = \
	alerts \
	challenge \
	decide \
	decide_training \
	deploy \
	document_state \
	encoder \
	events \
	guard \
	prune \
	snapshot \
	train

# ---- the extension (PGXS) ----

MODULE_big = xmcoh
EXTENSION = xmcoh
# The one place of the version is the control file.
XMCOH_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'$$/\1/p" xmcoh.control)
DATA_built = sql/xmcoh--$(XMCOH_VERSION).sql
DATA = $(filter-out $(DATA_built),$(wildcard sql/xmcoh--*.sql))	# upgrade scripts
# A file stands after the files that it uses.
SQL_SOURCES = $(addprefix sql/,tables.sql access.sql reports.sql cache.sql encoders.sql models.sql sources.sql decisions.sql review.sql versions.sql jobs.sql study.sql \
	schedules.sql monitor.sql scores.sql explain.sql gaps.sql evaluate.sql pilot.sql pictures.sql guard.sql document_state.sql quality.sql alerts.sql privileges.sql)
PGFILEDESC = "xmcoh - the order of documents"

CORE_SOURCES := $(wildcard src/core/*/*.c)
PG_SOURCES := $(wildcard src/pg/*/*.c src/pg/*.c)
CLI_SOURCES := $(wildcard src/cli/*.c)
CLI_OBJECTS := $(CLI_SOURCES:src/cli/%.c=build/cli/%.o)
ALL_HEADERS := $(wildcard include/xmcoh/*.h src/core/*/*.h src/pg/*/*.h src/pg/*.h src/cli/*.h)
OBJS = $(CORE_SOURCES:.c=.o) $(PG_SOURCES:.c=.o)

# Both suites read from test/ and write to build/. PostgreSQL 15's pg_regress looks for expected/ beside sql/, so test/expected
# is a link.
REGRESS_OPTS = --inputdir=test --outputdir=build/regress
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=build/isolation
REGRESS_PREP = build/regress build/isolation

# ---- libraries ----

PKG_CONFIG ?= pkg-config

# Debian's folder of libraries for this machine, such as x86_64-linux-gnu.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

# A backend must stay single-threaded, so xmcoh uses the serial OpenBLAS. A session loads the library at its first backward pass
# (src/pg/base/blas.c), by its own path: the plain name finds the BLAS that the machine's alternatives choose. Programs without
# a server are linked with the library. OPENBLAS_LIBDIR and OPENBLAS_INCLUDEDIR override the path.
OPENBLAS_LIBDIR ?= $(firstword \
	$(shell $(PKG_CONFIG) --variable=libdir openblas-serial 2>/dev/null) \
	$(patsubst %/libopenblas.so,%,$(wildcard /usr/lib/$(MULTIARCH)/openblas-serial/libopenblas.so)))
OPENBLAS_INCLUDEDIR ?= $(firstword \
	$(shell $(PKG_CONFIG) --variable=includedir openblas-serial 2>/dev/null) \
	$(patsubst %/cblas.h,%,$(wildcard /usr/include/$(MULTIARCH)/openblas-serial/cblas.h)))

BLAS_CFLAGS = $(if $(OPENBLAS_INCLUDEDIR),-I$(OPENBLAS_INCLUDEDIR))
BLAS_LIBS = -L$(OPENBLAS_LIBDIR) -Wl,-rpath,$(OPENBLAS_LIBDIR) -lopenblas
ICU_FLAGS = $(shell $(PKG_CONFIG) --cflags icu-uc icu-i18n)
ICU_LIBRARIES = $(shell $(PKG_CONFIG) --libs icu-uc icu-i18n)

define need_libraries
$(if $(OPENBLAS_LIBDIR),,$(error the serial OpenBLAS is missing: install libopenblas-serial-dev, or say where it is with \
	OPENBLAS_LIBDIR= and OPENBLAS_INCLUDEDIR=))$(if $(shell $(PKG_CONFIG) --exists icu-uc icu-i18n && echo yes),,$(error \
	ICU is missing: install pkg-config and libicu-dev))
endef

# ---- flags ----

WARNINGS = -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror)
C_DIALECT = -std=gnu11
# The code reads neither errno nor floating-point traps. Without these the compiler vectorises sqrtf and conditions, which are much
# of the inner loops; no value changes. -fopenmp-simd obeys `#pragma omp simd` only: no threads, no library.
OPTIMISATION = -O3 -fno-math-errno -fno-trapping-math -fopenmp-simd

PG_CPPFLAGS = -Iinclude -isystem $(shell $(PG_CONFIG) --includedir-server) $(ICU_FLAGS)
PG_CFLAGS = $(C_DIALECT) $(OPTIMISATION) $(WARNINGS) -Wno-declaration-after-statement
# The library exports only xmcoh_* and PostgreSQL's entry points: see xmcoh.map.
SHLIB_LINK = $(ICU_LIBRARIES) -lm -Wl,--version-script=xmcoh.map

PG_CONFIG ?= pg_config
# Goals that need no server headers. A plain `make` has no goal and builds the extension.
SERVER_GOALS := check check-cassert check-valgrind check-asan check-citus check-deb check-versions deb demo guides quality bench-scale torture readme reference setup clean distclean
OWN_GOALS := core cli unit unit-asan fuzz fuzz-build bench $(SERVER_GOALS)
GOALS := $(or $(MAKECMDGOALS),all)

ifneq ($(filter-out $(OWN_GOALS) build/% run/%,$(GOALS)),)
# The tests of what is installed take no compiler and no library.
$(if $(filter-out installcheck,$(GOALS)),$(need_libraries))
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error no PostgreSQL to build against: `$(PG_CONFIG) --pgxs` names no file; install postgresql-server-dev-N for its version N, or set PG_CONFIG)
endif
# No bitcode: inlining into expressions gains nothing for these functions, and clang may be absent.
override with_llvm = no
include $(PGXS)

# The client goes into a folder of PATH: bindir, or /usr/local/bin if bindir belongs to one major version of PostgreSQL, such as
# /usr/lib/postgresql/15/bin.
CLI_BINDIR ?= $(if $(shell echo '$(bindir)' | grep -E '(^|[^0-9])$(MAJORVERSION)([^0-9]|$$)'),/usr/local/bin,$(bindir))
CLI_MANDIR ?= $(if $(filter %/bin,$(CLI_BINDIR)),$(CLI_BINDIR:%/bin=%/share/man),$(mandir))

# `make WITH_CLI=no` leaves the client out: packages have one client for several versions of PostgreSQL.
WITH_CLI ?= yes
ifneq ($(WITH_CLI),no)
all: build/xmcoh build/xmcoh.1
install: install-cli
uninstall: uninstall-cli
endif

.PHONY: install-cli uninstall-cli
install-cli: build/xmcoh build/xmcoh.1
	$(MKDIR_P) '$(DESTDIR)$(CLI_BINDIR)' '$(DESTDIR)$(CLI_MANDIR)/man1'
	$(INSTALL_PROGRAM) build/xmcoh '$(DESTDIR)$(CLI_BINDIR)/xmcoh'
	$(INSTALL_DATA) build/xmcoh.1 '$(DESTDIR)$(CLI_MANDIR)/man1/xmcoh.1'
uninstall-cli:
	rm -f '$(DESTDIR)$(CLI_BINDIR)/xmcoh' '$(DESTDIR)$(CLI_MANDIR)/man1/xmcoh.1'

# The order of the layers, from the objects' symbols: see test/house.py.
.PHONY: house house-picture
house: $(OBJS) $(CLI_OBJECTS)
	@python3 test/house.py
house-picture: $(OBJS) $(CLI_OBJECTS)
	@python3 test/house.py --write

# Calls within the core do not go through the symbol table. The core's own headers are visible in the core only.
src/core/%.o: override CFLAGS += -fvisibility=hidden
src/core/%.o: override CPPFLAGS += -Isrc/core
src/pg/%.o: override CPPFLAGS += -Isrc/pg
src/pg/base/blas.o: override CPPFLAGS += $(BLAS_CFLAGS) -DXMCOH_OPENBLAS='"$(OPENBLAS_LIBDIR)/libopenblas.so.0"'
$(OBJS): $(ALL_HEADERS)
xmcoh$(DLSUFFIX): xmcoh.map

src/pg/load.o src/pg/base/access.o: override CPPFLAGS += -DXMCOH_VERSION='"$(XMCOH_VERSION)"'
src/pg/load.o src/pg/base/access.o $(DATA_built): xmcoh.control

$(DATA_built): $(SQL_SOURCES)
	cat $(SQL_SOURCES) > $@
else
ifneq ($(filter-out $(SERVER_GOALS),$(GOALS)),)
$(need_libraries)
endif
.PHONY: check clean distclean
check:
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' bash test/check.sh
clean distclean:
	rm -f $(OBJS) $(OBJS:.o=.bc) xmcoh.so $(DATA_built)
	rm -rf build
endif
EXTRA_CLEAN = build

build build/unit build/unit-asan build/fuzz build/bench build/encoder build/cli build/regress build/isolation:
	@mkdir -p $@

# ---- the core alone ----

TOOL_CFLAGS = $(C_DIALECT) $(WARNINGS) -g -Iinclude -Isrc/core $(BLAS_CFLAGS) $(ICU_FLAGS)
TOOL_LIBS = -Wl,--as-needed $(BLAS_LIBS) $(ICU_LIBRARIES) -lm
ASAN_OPTIMISATION = -O1 -fopenmp-simd
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# The core asks more often whether to stop: test_stop counts the questions, so its matrices can be smaller.
ASAN_FLAGS = $(SANITIZE) -DXMC_STOP_CELLS=65536
CORE_OBJECTS := $(CORE_SOURCES:src/core/%.c=build/core/%.o)
ASAN_OBJECTS := $(CORE_SOURCES:src/core/%.c=build/asan/%.o)

.PHONY: core
core: build/libxmcoh_core.a

build/core/%.o: src/core/%.c $(ALL_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(TOOL_CFLAGS) $(OPTIMISATION) -c $< -o $@
build/asan/%.o: src/core/%.c $(ALL_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(TOOL_CFLAGS) $(ASAN_OPTIMISATION) $(ASAN_FLAGS) -c $< -o $@
build/libxmcoh_core.a: $(CORE_OBJECTS)
	@rm -f $@
	ar rcs $@ $^
build/libxmcoh_core_asan.a: $(ASAN_OBJECTS)
	@rm -f $@
	ar rcs $@ $^
# The products of matrices take most of the time of training, so they are optimised with sanitizers, too.
build/asan/numeric/sgemm.o: ASAN_OPTIMISATION = $(OPTIMISATION)

# ---- unit tests, benchmarks: one program per file ----

UNIT_TESTS := $(sort $(wildcard test/unit/test_*.c))
BENCHES := $(sort $(wildcard test/bench/bench_*.c))
TEST_HEADERS := $(wildcard test/*.h test/*/*.h)

build/unit/%: test/unit/%.c build/libxmcoh_core.a $(TEST_HEADERS) | build/unit
	$(CC) $(TOOL_CFLAGS) -Itest/unit -O1 $< -o $@ build/libxmcoh_core.a -lcmocka $(TOOL_LIBS)
build/unit-asan/%: test/unit/%.c build/libxmcoh_core_asan.a $(TEST_HEADERS) | build/unit-asan
	$(CC) $(TOOL_CFLAGS) -Itest/unit -O1 $(ASAN_FLAGS) $< -o $@ build/libxmcoh_core_asan.a -lcmocka $(TOOL_LIBS)
# cron.c belongs to the PostgreSQL side but is plain C.
build/unit/test_cron build/unit-asan/test_cron: src/pg/schedule/cron.c src/pg/schedule/cron.h
build/unit/test_cron build/unit-asan/test_cron: TOOL_CFLAGS += -Isrc/pg
# These tests compile a file of the core anew.
build/unit/test_additive_fit build/unit-asan/test_additive_fit: src/core/train/additive_fit.c
build/unit/test_tuned build/unit-asan/test_tuned: src/core/text_encoder/tuned.c
build/unit/test_sgemm build/unit-asan/test_sgemm: src/core/numeric/sgemm.c
build/unit/test_additive_fit build/unit-asan/test_additive_fit build/unit/test_sgemm build/unit-asan/test_sgemm: TOOL_CFLAGS += -fopenmp-simd
# bench_train counts every matrix product of the core.
build/bench/bench_train: TOOL_LIBS += -Wl,--wrap=xmc_sgemm,--wrap=xmc_sgemm_forward
build/bench/%: test/bench/%.c build/libxmcoh_core.a $(TEST_HEADERS) | build/bench
	$(CC) $(TOOL_CFLAGS) $(OPTIMISATION) $< -o $@ build/libxmcoh_core.a $(TOOL_LIBS)

# Programs that comparisons with other implementations run.
build/encoder/%: test/encoder/%.c build/libxmcoh_core.a $(TEST_HEADERS) | build/encoder
	$(CC) $(TOOL_CFLAGS) $(OPTIMISATION) $< -o $@ build/libxmcoh_core.a $(TOOL_LIBS)

# Every program runs, also after one that failed; several at the same time, each with its output in one piece.
run_each = +@$(MAKE) --no-print-directory --keep-going --output-sync=target $(addprefix run/,$(1))
run/%: %
	@echo "== $<"; ./$< || { echo "== $< ended with status $$?"; exit 1; }

UNIT_PROGRAMS := $(UNIT_TESTS:test/unit/%.c=build/unit/%)
ASAN_PROGRAMS := $(UNIT_TESTS:test/unit/%.c=build/unit-asan/%)
BENCH_PROGRAMS := $(BENCHES:test/bench/%.c=build/bench/%)

.PHONY: unit unit-asan bench
unit: $(UNIT_PROGRAMS)
	$(call run_each,$(UNIT_PROGRAMS))
unit-asan: $(ASAN_PROGRAMS)
	$(call run_each,$(ASAN_PROGRAMS))
bench: $(BENCH_PROGRAMS)
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' bash test/bench/bench.sh

# ---- fuzzing: one libFuzzer program per file, for FUZZ_ITERATIONS inputs or FUZZ_SECONDS; see test/fuzz/fuzz.sh ----

FUZZ_CC ?= clang
FUZZ_ITERATIONS ?= 20000
FUZZ_SECONDS ?=
FUZZERS := $(patsubst test/fuzz/fuzz_%.c,%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
FUZZ_CFLAGS = $(TOOL_CFLAGS) -O1 -fsanitize=float-cast-overflow $(SANITIZE)
FUZZ_OBJECTS := $(CORE_SOURCES:src/core/%.c=build/fuzz/core/%.o)

build/fuzz/core/%.o: src/core/%.c $(ALL_HEADERS)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c $< -o $@
build/libxmcoh_core_fuzz.a: $(FUZZ_OBJECTS)
	@rm -f $@
	ar rcs $@ $^
build/fuzz/%: test/fuzz/fuzz_%.c build/libxmcoh_core_fuzz.a $(TEST_HEADERS) | build/fuzz
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer $< $(FUZZ_ALSO) -o $@ build/libxmcoh_core_fuzz.a $(TOOL_LIBS)

build/fuzz/text: src/core/document/text.c
# Files of the PostgreSQL side and of the client that are plain C, or need little else.
build/fuzz/cron: src/pg/schedule/cron.c src/pg/schedule/cron.h
build/fuzz/cron: FUZZ_CFLAGS += -Isrc/pg
build/fuzz/cron: FUZZ_ALSO = src/pg/schedule/cron.c
build/fuzz/npy: src/cli/npy.c src/cli/npy.h src/cli/cli.h
build/fuzz/npy: FUZZ_CFLAGS += $(shell $(PKG_CONFIG) --cflags libpq)
build/fuzz/csv: $(addprefix src/cli/,csv.c csv.h text_file.c text_file.h input.c file_kind.c cli.h buffer.h)
build/fuzz/csv: FUZZ_CFLAGS += $(CLI_CFLAGS)
build/fuzz/csv: FUZZ_ALSO = $(shell $(PKG_CONFIG) --libs libpq zlib)
build/fuzz/state: $(addprefix src/pg/query/,state.c wire.c state.h wire.h item.h item_input.h)
build/fuzz/state: FUZZ_ALSO = src/pg/query/state.c src/pg/query/wire.c
build/fuzz/state: FUZZ_CFLAGS += -Isrc/pg -isystem $(shell $(PG_CONFIG) --includedir-server)

.PHONY: fuzz fuzz-build
fuzz-build: $(FUZZERS:%=build/fuzz/%)
fuzz:
	@$(MAKE) --no-print-directory -k fuzz-build; FUZZ_ITERATIONS='$(FUZZ_ITERATIONS)' FUZZ_SECONDS='$(FUZZ_SECONDS)' \
		bash test/fuzz/fuzz.sh $(FUZZERS)

# ---- the command-line client: libpq and zlib only ----

.PHONY: cli
# libpq's internal headers, such as pqexpbuffer.h, are below --pkgincludedir, which may be another folder than that of libpq-fe.h.
CLI_CFLAGS = $(shell $(PKG_CONFIG) --cflags libpq zlib) $(addprefix -I,$(shell $(PG_CONFIG) --pkgincludedir 2>/dev/null))
cli: build/xmcoh build/xmcoh.1
build/cli/%.o: src/cli/%.c $(wildcard src/cli/*.h) | build/cli
	$(CC) $(C_DIALECT) -O2 -g $(WARNINGS) $(CLI_CFLAGS) $(COPT) -c $< -o $@
build/cli/xmcoh.o: CLI_CFLAGS += -DXMCOH_VERSION='"$(XMCOH_VERSION)"'
build/cli/xmcoh.o: xmcoh.control
build/xmcoh: $(CLI_OBJECTS)
	$(CC) $(COPT) $^ -o $@ $(shell $(PKG_CONFIG) --libs libpq zlib) -lm
build/xmcoh.1: build/xmcoh src/cli/manual.awk
	build/xmcoh --help | awk -f src/cli/manual.awk >$@

# ---- everything at once, on throwaway servers ----

# The goal check stands above, because PGXS has a goal of that name.
.PHONY: setup demo deb check-deb guides quality bench-scale torture readme reference check-cassert check-valgrind check-asan check-citus check-versions
setup:
	@bash test/setup.sh
check-cassert:
	@MAKE='$(MAKE)' bash test/cassert.sh $(KINDS)
check-valgrind:
	@MAKE='$(MAKE)' bash test/sanitizers.sh valgrind $(KINDS)
check-asan:
	@MAKE='$(MAKE)' bash test/sanitizers.sh asan $(KINDS)
check-citus:
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' CITUS='$(CITUS)' bash test/citus.sh
bench-scale:
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' bash test/bench/scale.sh
check-versions:
	@VERSIONS='$(VERSIONS)' CHROOTS='$(CHROOTS)' GUIDES='$(GUIDES)' bash test/versions.sh $(KINDS)
torture:
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' bash test/torture.sh
readme:
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' bash test/readme.sh --write
reference:
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' bash test/reference.sh --write
demo:
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' bash test/demo.sh
guides:
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' GUIDES='$(GUIDES)' bash test/bench/guides.sh

deb:
	@bash test/deb.sh build
check-deb:
	@bash test/deb.sh

quality: build/bench/encoders build/bench/review build/bench/figures build/bench/coverage build/bench/learning
	@PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' GUIDES='$(GUIDES)' bash test/bench/quality.sh
