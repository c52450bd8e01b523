# linux-5.14/ftrace_caller: one fault for each property that it states, in a routine named after the property.
	.equ	EXPOLINE, 1
	.equ	TRACED_FRAME, 1
	.equ	FTRACE_FUNC, 1
	.equ	GRAPH_SP, 1
	.equ	SAVE_CC, 1
	.equ	__PT_SIZE, 192
	.include "linux-4.0.inc"
	.include "faults-r0.inc"
