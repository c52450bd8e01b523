# ftrace_caller of Linux 5.4, hotpatch build: the graph tracer gets the stack pointer too.
	.equ	GRAPH_SP, 1
	.equ	EXPOLINE, 1
	.include "linux-4.0.inc"
	ftrace_body
	thunk	1
