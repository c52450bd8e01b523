# linux-4.17/return_to_handler: one fault for each property that it states, in a routine named after the property.
	.include "return_plain.inc"
	.include "faults-return.inc"
