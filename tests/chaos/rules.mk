# rules.mk: jobs under faults of every kind. `make test` takes a sample; all of it is
# `make chaos SECONDS=600 SEED=1 JOBS=3`.
TEST_SCRIPTS += tests/chaos/chaos.sh

.PHONY: chaos
chaos:
	$(Q)sh scripts/setup.sh build test
	$(Q)$(MAKE) all
	$(Q)python3 tests/chaos/chaos.py --seconds $(or $(SECONDS),600) --jobs $(or $(JOBS),3) \
	    $(if $(SEED),--seed $(SEED)) $(CURDIR)/$(B)/weir
