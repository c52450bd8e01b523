# An mcount build that forgets that r0 lacks 18 bytes: the traced function goes on inside its own 24-byte block, and the
# handler gets an address before the function as ip (regs-complete, handler-arguments).
	.equ	FIXUP, 18
	.ifndef	REPAIRED
	.equ	ADD_FIXUP, 0
	.endif
	.include "linux-4.0.inc"
	ftrace_body
