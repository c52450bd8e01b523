# linux-2.6.31/_mcount: one fault for each property that it states, in a routine named after the property.
	.equ	GRAPH, 0
	.equ	IP_ADJUST, 0
	.include "body-mcount.inc"
	.include "faults-r14.inc"
