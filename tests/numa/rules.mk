# rules.mk: `make test-numa` boots a machine of two NUMA nodes in qemu and runs weir there. A target of its own,
# for it installs 150 MB of packages and, without KVM, takes a minute or two.
.PHONY: test-numa
test-numa:
	$(Q)sh scripts/setup.sh build numa
	$(Q)$(MAKE) all $(B)/tests/process/move_job
	$(Q)WEIR=$(CURDIR)/$(B)/weir BUILD=$(CURDIR)/$(B) sh tests/numa/numa.sh
