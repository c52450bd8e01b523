# ftrace_caller and ftrace_regs_caller since Linux 6.13: the graph tracer is a handler.
	.equ	GRAPH, 0
	.include "body-6.12.inc"
	.include "select-z196.inc"
	both_callers
	thunk	1
