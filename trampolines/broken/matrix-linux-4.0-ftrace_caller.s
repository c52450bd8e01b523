# linux-4.0/ftrace_caller: one fault for each property that it states, in a routine named after the property.
	.equ	EXPOLINE, 1
	.include "linux-4.0.inc"
	.include "faults-r0.inc"
