# rules.mk: tests against a real Kafka broker; see README.md. Not part of `make test`: they fetch 40 MB and start Java.
.PHONY: test-kafka run-test-kafka
# Programs that the scripts run, besides weir.
KAFKA_TEST_EXTRA :=
test-kafka:
	$(Q)sh scripts/setup.sh build test kafka
	$(Q)$(MAKE) run-test-kafka
# One after the other, each with a broker of its own: two of them would have more memory and cores than a small
# machine gives. TESTS=tests/kafka/test_broker.sh takes some.
run-test-kafka: $(KAFKA_TEST_EXTRA) all
	$(Q)tests/kafka/broker available || [ $$? = 77 ] # then each test skips, and says why
	$(Q)WEIR=$(CURDIR)/$(B)/weir BUILD=$(CURDIR)/$(B) TEST_JOBS=$(or $(TEST_JOBS),1) sh scripts/run-tests.sh \
	    $(or $(TESTS),$(sort $(wildcard tests/kafka/test_*.sh)))

# Jobs from topic to topic under faults of weir, of the network and of the broker: FAULTS=500 SEED=1 ROUND=0.
.PHONY: chaos-kafka
chaos-kafka:
	$(Q)sh scripts/setup.sh build test kafka
	$(Q)$(MAKE) all
	$(Q)tests/kafka/broker available
	$(Q)python3 tests/kafka/chaos/chaos.py --faults $(or $(FAULTS),500) $(if $(SEED),--seed $(SEED)) \
	    $(if $(ROUND),--round $(ROUND)) $(CURDIR)/$(B)/weir
