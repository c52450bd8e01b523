# The graph tracer's call of before 5.4 in a kernel that hands over the stack pointer too: the address to continue at
# arrives in its place (handler-arguments).
	.equ	EXPOLINE, 1
	.ifdef	REPAIRED
	.equ	GRAPH_SP, 1
	.endif
	.include "linux-4.0.inc"
	ftrace_body
	thunk	1
