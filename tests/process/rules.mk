# rules.mk: move_job asks a running job to move, for place.sh.
$(B)/tests/process/move_job: $(B)/tests/process/move_job.o $(TOOL_LIB) $(LIB)
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@
run-tests: $(B)/tests/process/move_job
-include $(B)/tests/process/move_job.d
