# __switch_to of Linux 5.10.
	.include "switch.inc"
	switch_body __switch_to
	thunk	14
