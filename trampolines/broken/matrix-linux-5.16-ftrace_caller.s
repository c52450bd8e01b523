# linux-5.16/ftrace_caller: one fault for each property that it states, in a routine named after the property.
	.equ	FULL, 0
	.equ	PSW_MASK, 2
	.include "body-6.12.inc"
	.include "select-z196.inc"
	.include "faults-split.inc"
