# linux-6.14/ftrace_caller: one fault for each property that it states, in a routine named after the property.
	.equ	FULL, 0
	.equ	GRAPH, 0
	.include "body-6.12.inc"
	.include "select-z196.inc"
	.include "faults-split.inc"
