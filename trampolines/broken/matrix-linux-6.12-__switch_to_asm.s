# linux-6.12/__switch_to_asm: one fault for each property that it states, in a routine named after the property.
	.include "switch.inc"
	switch_faults
