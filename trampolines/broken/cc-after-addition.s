# The condition code is saved when an addition has changed it, so kprobes see the wrong one (regs-complete).
	.equ	FIXUP, 18
	.equ	TRACED_FRAME, 1
	.equ	SAVE_CC, 1
	.equ	GRAPH_SP, 1
	.equ	FTRACE_FUNC, 1
	.equ	EXPOLINE, 1
	.ifndef	REPAIRED
	.equ	CC_LATE, 1
	.endif
	.include "linux-4.0.inc"
	ftrace_body
	thunk	1
