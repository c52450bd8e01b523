# linux-3.17/ftrace_caller: one fault for each property that it states, in a routine named after the property.
	.equ	STOP, 0
	.equ	IP_ADJUST, 1
	.include "body-mcount.inc"
	.include "faults-r14.inc"
