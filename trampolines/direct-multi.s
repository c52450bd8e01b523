# A direct-call trampoline for several functions: the tracer is told which.
	.include "direct.inc"
	direct_body my_tramp, my_direct_func, address=1
