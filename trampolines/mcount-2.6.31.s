# ftrace_caller of Linux 2.6.31 to 2.6.33: a variable of its own, and a branch around the graph tracer.
	.equ	GRAPH, 2
	.equ	DYN_FUNC, 1
	.include "body-mcount.inc"
	mcount_body ip_adjust=0
