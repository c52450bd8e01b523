# linux-6.12/__switch_to_asm-canary: one fault for each property that it states, in a routine named after the property.
	.equ	CANARY, 1
	.include "switch.inc"
	switch_faults
