# The same for a tracer with three arguments.
	.include "direct.inc"
	direct_body my_tramp, my_direct_func
