bench/uv_data: bench/uv_data.c
