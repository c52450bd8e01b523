# Before 5.18: ipm and stosm rebuild only the condition code, the program mask and byte 0 of the PSW mask
# (regs-complete).
	.ifndef	REPAIRED
	.equ	PSW_MASK, 2
	.endif
	.include "body-6.12.inc"
	.include "select-z196.inc"
	both_callers
	thunk	1
