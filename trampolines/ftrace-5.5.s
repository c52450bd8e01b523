# ftrace_caller of Linux 5.5 and 5.6, hotpatch build: a frame for the traced function.
	.equ	TRACED_FRAME, 1
	.equ	GRAPH_SP, 1
	.equ	EXPOLINE, 1
	.include "linux-4.0.inc"
	ftrace_body
	thunk	1
