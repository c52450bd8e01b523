# A direct-call trampoline that saves the arguments but not r0, where it must continue: control goes wherever the tracer
# left r0 pointing (psw-redirect, callee-saved, no-stale-read).
	.ifndef	REPAIRED
	.equ	KEEP_R0, 0
	.endif
	.include "direct.inc"
	direct_body my_tramp, my_direct_func
