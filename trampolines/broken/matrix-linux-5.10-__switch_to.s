# linux-5.10/__switch_to: one fault for each property that it states, in a routine named after the property.
	.include "switch.inc"
	switch_faults
