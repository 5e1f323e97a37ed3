# rules.mk: what the benchmarks need beyond the pattern rules of the Makefile.
#
# uv_steps puts functions of its own in front of these of the product, see its head.
UV_STEPS_WRAPS := expr_eval window_encode_keys table_upsert_batch dict_ids bitmap_add_batch \
                  window_accumulate window_wait task_commit chain_source_class chain_open
$(B)/bench/uv_steps: LDFLAGS += $(UV_STEPS_WRAPS:%=-Wl,--wrap=%)
