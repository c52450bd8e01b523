# The simple direct-call trampoline: the tracer gets what the traced function got.
	.include "direct.inc"
	direct_body my_tramp, my_direct_func
