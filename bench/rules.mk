# rules.mk: what the benchmarks need beyond the pattern rules of the Makefile.
#
# uv_steps puts functions of its own in front of these of the product, see its head.
UV_STEPS_WRAPS := expr_eval window_encode_keys table_upsert_batch dict_ids bitmap_add_batch \
                  window_accumulate window_wait task_commit chain_source_class chain_open
$(B)/bench/uv_steps: LDFLAGS += $(UV_STEPS_WRAPS:%=-Wl,--wrap=%)

# What is not done while a task, the supervisor or everything of a job is dead; throughput under kills.
.PHONY: bench-recovery run-bench-recovery
bench-recovery:
	$(Q)sh scripts/setup.sh build
	$(Q)$(MAKE) run-bench-recovery
run-bench-recovery: $(B)/bench/recovery all
	$(Q)WEIR=$(CURDIR)/$(B)/weir sh bench/recovery.sh $(B)/bench/recovery

# weir beside Flink, DuckDB, Hazelcast Jet and DPDK's ring, which this fetches; PART="uv latency ring". See
# bench/peers/README.md.
.PHONY: bench-peers run-bench-peers
bench-peers:
	$(Q)sh scripts/setup.sh build peers
	$(Q)$(MAKE) run-bench-peers
run-bench-peers: $(B)/bench/uv_data all
	$(Q)WEIR=$(CURDIR)/$(B)/weir BUILD=$(CURDIR)/$(B) sh bench/peers/run.sh $(PART)

# weir between two topics of a broker, beside plain consumers, Kafka Streams and Flink, which this fetches;
# PART="consume count peers latency gap". See bench/kafka/README.md.
KAFKA_BENCH_BIN := $(patsubst %.c,$(B)/%,$(wildcard bench/kafka/*.c))
-include $(KAFKA_BENCH_BIN:%=%.d)
.PHONY: bench-kafka run-bench-kafka
bench-kafka:
	$(Q)sh scripts/setup.sh build kafka
	$(Q)$(MAKE) run-bench-kafka
run-bench-kafka: $(KAFKA_BENCH_BIN) all
	$(Q)WEIR=$(CURDIR)/$(B)/weir BUILD=$(CURDIR)/$(B) RDKAFKA=$(CURDIR)/$(RDKAFKA) sh bench/kafka/run.sh $(PART)
