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
CFLAGS ?= -O2 -g
HARDEN := -fstack-protector-strong -fno-common $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_CFLAGS = -std=gnu17 -fPIC -fvisibility=hidden -D_GNU_SOURCE $(WARN) $(CFLAGS) $(HARDEN) $(SANFLAGS) -MMD -MP
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
plugin_libs := -largon2 $(crypto_libs)
gateway_libs := -luv -linih -ljansson -lpaho-mqtt3as -lssl $(crypto_libs)
tools_libs := -lmosquitto -ljansson -lssl $(plugin_libs)

products := $(B)/mosquitto_pullcord.so $(B)/pullcord-gateway $(B)/pullcord

.PHONY: all test demo bench rules fuzz deps install clean help tests
all: $(products)

$(B)/mosquitto_pullcord.so: $(plugin_obj) $(proto_obj)
	$(Q)echo "  link    $@"
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -o $@ $^ $(plugin_libs)

$(B)/pullcord-gateway: $(gateway_obj) $(proto_obj)
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(gateway_libs)

# The tool explains policies and verifies records with the plugin's own code; the linker takes what it needs of it.
$(B)/pullcord: $(tools_obj) $(B)/libplugin.a $(B)/libproto.a
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(tools_libs)

$(B)/libproto.a: $(proto_obj)
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/libplugin.a: $(filter-out %/shim.o,$(plugin_obj))
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

# ---- tests -----------------------------------------------------------------------------------------------------------
unit_tests := $(patsubst %.c,$(B)/%,$(call src,tests/unit))
fault_tests := $(patsubst %.c,$(B)/%,$(call src,tests/fault))
fuzz_replays := $(patsubst %.c,$(B)/%,$(filter-out tests/fuzz/replay.c,$(call src,tests/fuzz)))
bench_programs := $(patsubst %.c,$(B)/%,$(call src,tests/bench))
parts := $(B)/libtools.a $(B)/libgateway.a $(B)/libplugin.a $(B)/libproto.a
part_libs := $(tools_libs) $(gateway_libs)

$(unit_tests) $(fault_tests): $(B)/%: $(B)/%.o $(parts)
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(part_libs)

$(fuzz_replays): $(B)/%: $(B)/%.o $(B)/tests/fuzz/replay.o $(parts)
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(part_libs)

$(bench_programs): $(B)/%: $(B)/%.o $(parts)
	$(Q)echo "  link    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(part_libs)

tests: all $(unit_tests) $(fault_tests) $(fuzz_replays)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
