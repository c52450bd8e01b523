# linux-2.6.31/ftrace_caller: one fault for each property that it states, in a routine named after the property.
	.equ	GRAPH, 2
	.equ	DYN_FUNC, 1
	.equ	IP_ADJUST, 0
	.include "body-mcount.inc"
	.include "faults-r14.inc"
