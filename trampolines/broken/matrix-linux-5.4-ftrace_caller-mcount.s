# linux-5.4/ftrace_caller-mcount: one fault for each property that it states, in a routine named after the property.
	.equ	FIXUP, 18
	.equ	EXPOLINE, 1
	.equ	GRAPH_SP, 1
	.include "linux-4.0.inc"
	.include "faults-r0.inc"
