# Two direct-call trampolines between which the kernel switches.
	.include "direct.inc"
	direct_body my_tramp1, my_direct_func1
	direct_body my_tramp2, my_direct_func2
