# A thunk made for callers whose free register is r1 that takes r11 instead, which belongs to the caller's caller
# (callee-saved).
	.ifndef	REPAIRED
	.equ	WRONG_SCRATCH, 1
	.endif
	.include "thunk-ex.inc"
	thunk_ex 1, 14
