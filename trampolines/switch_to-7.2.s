# __switch_to_asm of Linux 7.2 with a stack protector, for a lowcore at 0.
	.equ	CANARY, 1
	.include "switch.inc"
	switch_body __switch_to_asm
	thunk	14
