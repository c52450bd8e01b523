# linux-4.4.215/ftrace_caller-mcount: one fault for each property that it states, in a routine named after the property.
	.equ	FIXUP, 18
	.equ	EXPOLINE, 1
	.equ	TRACED_FRAME, 1
	.equ	FTRACE_FUNC, 1
	.include "linux-4.0.inc"
	.include "faults-r0.inc"
