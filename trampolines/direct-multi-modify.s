# Two direct-call trampolines for several functions.
	.include "direct.inc"
	direct_body my_tramp1, my_direct_func1, address=1
	direct_body my_tramp2, my_direct_func2, address=1
