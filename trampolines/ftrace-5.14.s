# ftrace_caller of Linux 5.14 and 5.15.
	.equ	__PT_SIZE, 192
	.equ	TRACED_FRAME, 1
	.equ	GRAPH_SP, 1
	.equ	SAVE_CC, 1
	.equ	FTRACE_FUNC, 1
	.equ	EXPOLINE, 1
	.include "linux-4.0.inc"
	ftrace_body
	thunk	1
