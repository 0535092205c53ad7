# Pullcord. `make help` says what can be made; everything is built under build/.
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.DEFAULT_GOAL := all
Q := $(if $(V),,@)

# Who sees whom is written down in see_* below: a floor is compiled with the include paths of lower floors only.
SAN ?=
B ?= build$(if $(SAN),/san)
GEN := build/gen

CC := gcc
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wundef -Wvla -Wformat=2 -Wno-format-nonliteral
QUICK := -O1 -g1 $(if $(findstring clang,$(CC)),,-Wno-format-truncation)   # to compile; too little is known of lengths there
CFLAGS ?= $(if $(SAN),$(QUICK),-O2 -g)
HARDEN := -fstack-protector-strong -fno-common $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_CFLAGS = -std=gnu17 -fPIC -fno-plt -fvisibility=hidden -D_GNU_SOURCE $(WARN) $(CFLAGS) $(HARDEN) $(SANFLAGS) -MMD -MP
ALL_LDFLAGS = $(SANFLAGS) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

# ---- floors ----------------------------------------------------------------------------------------------------------
see_proto/base := -Iproto/base
see_proto/wire := $(see_proto/base) -Iproto/wire -I$(GEN)
see_proto/store := $(see_proto/wire) -Iproto/store
see_plugin/policy := $(see_proto/wire) -Iplugin/policy
see_plugin/record := $(see_proto/store) -Iplugin/record
see_plugin := $(see_proto/store) -Iplugin/policy -Iplugin/record -Iplugin
see_gateway/core := $(see_proto/wire) -Igateway/core
see_gateway := $(see_proto/store) -Igateway/core -Igateway
see_tools := $(see_plugin) -Itools
see_tests/unit := $(see_tools) $(see_gateway) -Itests/unit
see_tests/fuzz := $(see_tests/unit)
see_tests/fault := $(see_tests/unit)
see_tests/bench := $(see_tests/unit)
see_tests/audit := $(see_plugin)

floors := proto/base proto/wire proto/store plugin/policy plugin/record plugin gateway/core gateway tools
src = $(wildcard $(1)/*.c)
obj = $(patsubst %.c,$(B)/%.o,$(call src,$(1)))

protos := $(wildcard proto/wire/*.proto)
gen_h := $(patsubst proto/wire/%.proto,$(GEN)/%.pb-c.h,$(protos))
proto_obj := $(foreach d,proto/base proto/wire proto/store,$(call obj,$(d))) $(patsubst proto/wire/%.proto,$(B)/gen/%.pb-c.o,$(protos))
plugin_obj := $(foreach d,plugin plugin/policy plugin/record,$(call obj,$(d)))
gateway_obj := $(foreach d,gateway gateway/core,$(call obj,$(d)))
tools_obj := $(call obj,tools)

crypto_libs := -lprotobuf-c -llmdb -lcrypto -lpthread
plugin_libs := -largon2 -ljansson $(crypto_libs)
gateway_libs := -luv -linih -ljansson -lpaho-mqtt3as -lssl $(crypto_libs)
tools_libs := -lmosquitto -lssl $(plugin_libs)

products := $(B)/mosquitto_pullcord.so $(B)/pullcord-gateway $(B)/pullcord

.PHONY: all test demo bench soak valgrind interop brokers rules fuzz deps install clean help tests
all: $(products) ## the plugin, the gateway and the tool

# Of libmosquitto it takes what a broker keeps to itself (shim.c, properties_readable()).
$(B)/mosquitto_pullcord.so: $(plugin_obj) $(proto_obj)
	$(Q)echo "  link    $@"
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -o $@ $^ $(plugin_libs) -lmosquitto

$(B)/pullcord-gateway: $(gateway_obj) $(B)/libproto.a
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(gateway_libs)

# The tool explains policies and verifies records with the plugin's own code; the linker takes what it needs of it.
$(B)/pullcord: $(tools_obj) $(B)/libplugin.a $(B)/libproto.a
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(tools_libs)

$(B)/libproto.a: $(proto_obj)
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/libplugin.a: $(plugin_obj)
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/libgateway.a: $(filter-out %/main.o,$(gateway_obj))
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/libtools.a: $(filter-out %/pullcord.o,$(tools_obj))
	$(Q)rm -f $@ && ar rcs $@ $^

.SECONDARY: $(gen_h) $(gen_h:.h=.c)
$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h &: proto/wire/%.proto
	$(Q)mkdir -p $(GEN)
	$(Q)echo "  proto   $<"
	$(Q)protoc-c --proto_path=proto/wire --c_out=$(GEN) $<

$(B)/gen/%.o: $(GEN)/%.c
	$(Q)mkdir -p $(@D)
	$(Q)echo "  cc      $<"
	$(Q)$(CC) $(ALL_CFLAGS) -I$(GEN) -c -o $@ $<

$(B)/%.o: %.c | $(gen_h)
	$(Q)mkdir -p $(@D)
	$(Q)echo "  cc      $<"
	$(Q)$(CC) $(ALL_CFLAGS) $(see_$(patsubst %/,%,$(dir $<))) -c -o $@ $<

# What the assembler takes in by .incbin, the compiler's dependencies do not show.
$(B)/tools/baseline.o: configs/mosquitto.conf configs/hospital.policy

# ---- tests -----------------------------------------------------------------------------------------------------------
unit_tests := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*_test.c))
fault_tests := $(patsubst %.c,$(B)/%,$(wildcard tests/fault/*_test.c))
fuzz_replays := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/*_fuzz.c))
bench_programs := $(addprefix $(B)/tests/bench/,fanout app press paho_peer fill echo)
bench_objects := $(addprefix $(B)/tests/bench/,yes_plugin.so counted.so)
soak_objects := $(if $(SAN),,$(B)/tests/soak/fault.so)
own_benches := $(addprefix $(B)/tests/bench/,record_bench owners_bench outbox_bench)
parts := $(B)/libtools.a $(B)/libgateway.a $(B)/libplugin.a $(B)/libproto.a
part_libs := $(tools_libs) $(gateway_libs)
# Three hundred programs, for each of which the usual linker takes four times as long. (Of clang's sanitizers gold complains.)
test_ldflags = $(ALL_LDFLAGS) $(if $(findstring clang,$(CC)),,-fuse-ld=gold)

# Generated structs want char *; tests put literals there. A test is run as often as it is compiled.
$(B)/tests/%.o: WARN += -Wno-write-strings
$(B)/tests/unit/%.o $(B)/tests/fault/%.o $(B)/tests/fuzz/%.o: CFLAGS := $(QUICK)

$(unit_tests) $(fault_tests): $(B)/%: $(B)/%.o $(parts)
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(test_ldflags) -o $@ $^ -lcmocka $(part_libs)

$(fuzz_replays): $(B)/%: $(B)/%.o $(B)/tests/fuzz/replay.o $(parts)
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(test_ldflags) -o $@ $^ $(part_libs)

# Writes records for the tests and figures of the audit commands.
$(B)/tests/audit/maker: $(B)/tests/audit/maker.o $(B)/libplugin.a $(B)/libproto.a
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(plugin_libs)

$(bench_programs): $(B)/%: $(B)/%.o $(B)/libbench.a $(B)/libplugin.a $(B)/libproto.a
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(part_libs)

$(own_benches): $(B)/%: $(B)/%.o $(parts)
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(part_libs)

$(B)/libbench.a: $(B)/tests/bench/load.o $(B)/tests/bench/crowd.o
	$(Q)rm -f $@ && ar rcs $@ $^
$(bench_objects) $(soak_objects): %.so: %.o
	$(Q)echo "  link    $@"
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -o $@ $^

# libFuzzer writes what it finds into its first corpus folder: a scratch one.
$(B)/fuzzer/%: $(B)/tests/fuzz/%_fuzz.o $(parts)
	$(Q)mkdir -p $(@D) $(B)/found/$*
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(part_libs)

tests: all $(unit_tests) $(fault_tests) $(fuzz_replays) $(soak_objects) $(B)/tests/audit/maker

# ---- what people type ------------------------------------------------------------------------------------------------
packages := gcc make pkg-config binutils protobuf-c-compiler libprotobuf-c-dev mosquitto mosquitto-clients mosquitto-dev \
	libmosquitto-dev libpaho-mqtt-dev liblmdb-dev libssl-dev libuv1-dev libinih-dev libjansson-dev libargon2-dev \
	libcmocka-dev openssl python3 libxml2-utils rsyslog rsyslog-gnutls python3-cryptography valgrind libfaketime \
	prometheus

PREFIX ?= /usr/local
T ?=
S ?= 30

.PHONY: deps-present
deps-present:
	$(Q)dpkg-query -W $(packages) >/dev/null 2>&1 || $(MAKE) deps

deps: ## install what is needed from Debian 12 (also clang and libclang-rt-dev for `make fuzz`)
	$(Q)echo "  install $(packages) clang libclang-rt-dev"
	$(Q)$(if $(filter 0,$(shell id -u)),,sudo )apt-get -qq update
	$(Q)$(if $(filter 0,$(shell id -u)),,sudo )env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(packages) clang libclang-rt-dev >/dev/null

jobs := -j$(shell nproc)

test: deps-present ## everything, plain and under ASan/UBSan; T=word: only tests whose name has it
	$(Q)$(MAKE) $(jobs) tests
	$(Q)$(if $(SAN),:,$(MAKE) $(jobs) B=$(B)/san SAN=address,undefined tests)
	$(Q)python3 tests/run.py --only "$(T)" $(if $(SAN),$(B),$(B) $(B)/san)

rules: all ## check the architecture: foreign headers, floors, symbols of the core, the top level
	$(Q)python3 tests/run.py tests/rules.py

# What is found is left in build/fuzz/found, T.log says how; the rest get their turn all the same.
fuzzers := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
fuzzing = build/fuzz/fuzzer/$(1) -max_total_time=$(2) -max_len=65536 -timeout=10 -artifact_prefix=build/fuzz/found/$(1)- build/fuzz/found/$(1) tests/fuzz/corpus/$(1)
fuzz: ## fuzz every parser for 10 seconds, or for S; or one of them: make fuzz T=hl7 S=30
	$(Q)test -z "$(filter-out $(fuzzers),$(T))" || { echo "make fuzz T=... S=seconds; T is one of:" $(fuzzers); exit 2; }
	$(Q)$(MAKE) B=build/fuzz CC=clang SAN=address,undefined,fuzzer-no-link $(addprefix build/fuzz/fuzzer/,$(or $(T),$(fuzzers)))
ifneq ($(words $(T)),1)
	$(Q)bad=; for t in $(or $(T),$(fuzzers)); do \
		$(call fuzzing,$$t,$(if $(filter file,$(origin S)),10,$(S))) >build/fuzz/found/$$t.log 2>&1 || bad="$$bad $$t"; \
		printf '  fuzz    %-16s%s\n' $$t "$$(grep -E '^(Done|SUMMARY)' build/fuzz/found/$$t.log || tail -n 1 build/fuzz/found/$$t.log)"; \
	done; test -z "$$bad" || { echo "found something, see build/fuzz/found:$$bad"; exit 1; }
else
	$(Q)$(call fuzzing,$(T),$(S))
endif

bench: deps-present all $(bench_programs) $(bench_objects) $(own_benches) $(B)/tests/audit/maker ## measure against peers, into build/bench.tsv; T=word: only parts, or rows, whose name has it; T=list: which there are
	$(Q)python3 tests/bench/bench.py $(B) $(T)

# ONLY=flood: audit flooding, five minutes of it unless S says; ONLY=full: the record's disk is full (HOW=room: what was set aside
# for it is used up), for ten; ONLY=record: the record's writer alone is killed, KILLS times, and its power goes; anything else:
# faults of the soak.
soak_flood = python3 tests/soak/flood.py --build $(B) $(if $(filter file,$(origin S)),,--seconds $(S)) $(if $(RATE),--rate $(RATE))
soak_growth = python3 tests/soak/growth.py --build $(B) $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(RECONNECTS),--reconnects $(RECONNECTS))
soak_full = python3 tests/soak/full.py --build $(B) $(if $(filter file,$(origin S)),,--seconds $(S)) \
	$(if $(MESSAGES),--messages $(MESSAGES)) $(if $(HOW),--how $(HOW))
soak_record_of = $(B)/tests/fault/record_crash_test $(B)/tests/fault/record_torn_test
soak_record = export TEST_KILLS=$(or $(KILLS),1000) $(if $(SEED),TEST_SEED=$(SEED)); for t in $(soak_record_of); do $$t || exit 1; done
soak_all = python3 tests/soak/soak.py --build $(B) --seconds $(S) $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) \
	$(if $(RATE),--rate $(RATE)) $(if $(ONLY),--only $(ONLY)) --verbose

soak: deps-present all $(soak_objects) $(if $(filter record,$(ONLY)),$(soak_record_of)) ## kill, freeze, cut and fill everything for a while: make soak S=3600 SEED=7 RATE=100 ONLY=cut,hold, or KILLS=1000, ONLY=record, ONLY=flood, ONLY=full S=60 MESSAGES=10000, ONLY=growth MESSAGES=100000 RECONNECTS=100
	$(Q)$(or $(soak_$(ONLY)),$(soak_all))

valgrind: deps-present tests ## units of the gateway, and one at work, under valgrind: no errors
	$(Q)dpkg-query -W valgrind >/dev/null 2>&1 || $(MAKE) deps packages=valgrind
	$(Q)python3 tests/valgrind.py $(B)

# Not a part of `test`: Go is larger than all else together that is installed.
interop: deps-present all $(B)/tests/audit/maker ## Go's own note and tlog check a record's tiles, notes, proofs and cosignatures
	$(Q)dpkg-query -W golang-go golang-golang-x-mod-dev >/dev/null 2>&1 || $(MAKE) deps packages="golang-go golang-golang-x-mod-dev"
	$(Q)python3 tests/run.py tests/interop/go_test.py

# Not a part of `test`: it needs Debian's mirror, where later releases come and go.
brokers: deps-present tests ## scenes on the Mosquittos of later Debians, fetched into build/brokers; T=word: only those whose name has it; SUITES=forky: on that one
	$(Q)python3 tests/brokers/brokers.py --only "$(T)" $(addprefix --suite ,$(SUITES)) $(B)

demo: deps-present all ## the whole story on this machine in under 90 seconds
	$(Q)tests/demo/demo.py $(B)

# Text that names files of ours is written for /usr/local; it is told where they really are.
install_text = install -D -m 644 $(1) $(DESTDIR)$(PREFIX)/$(2) && sed -i 's,/usr/local,$(PREFIX),g' $(DESTDIR)$(PREFIX)/$(2)

install: all ## into $(DESTDIR)$(PREFIX)
	$(Q)install -D -m 755 $(B)/pullcord $(DESTDIR)$(PREFIX)/bin/pullcord
	$(Q)install -D -m 755 $(B)/pullcord-gateway $(DESTDIR)$(PREFIX)/sbin/pullcord-gateway
	$(Q)install -D -m 644 $(B)/mosquitto_pullcord.so $(DESTDIR)$(PREFIX)/lib/pullcord/mosquitto_pullcord.so
	$(Q)$(call install_text,configs/pullcord-gateway.service,lib/systemd/system/pullcord-gateway.service)
	$(Q)$(call install_text,configs/sysusers.d/pullcord-gateway.conf,lib/sysusers.d/pullcord-gateway.conf)
	$(Q)for page in tools/man/*.[1578]; do $(call install_text,$$page,share/man/man$${page##*.}/$${page##*/}); done
	$(Q)for file in $$(find configs -type f); do $(call install_text,$$file,share/pullcord/$$file); done

clean: ## remove build/
	$(Q)rm -rf build

help: ## this list
	$(Q)grep -hE '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

-include $(shell find $(B) -path build/brokers -prune -o -name '*.d' -print 2>/dev/null)
