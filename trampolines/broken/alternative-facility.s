# A fault that only a machine with the facility has: the conditional load loads under the opposite condition, so a direct
# caller is passed over, and without one control goes to 0 (psw-redirect). As assembled the trampoline is right.
	.ifndef	REPAIRED
	.equ	LOAD_MASK, 6			# not zero
	.endif
	.set	ALT_ENTRY, 11
	.set	ALT_FACILITY, 0
	.include "body-6.12.inc"
	.include "select-alternative.inc"
	plain_caller
	thunk	1
