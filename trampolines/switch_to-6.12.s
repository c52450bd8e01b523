# __switch_to_asm of Linux 6.12, for a lowcore at 0.
	.include "switch.inc"
	switch_body __switch_to_asm
	thunk	14
