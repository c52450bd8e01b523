# b4adfe55915d (5.5-rc3): r14 is never stored in the caller's slot, so the unwinder reads a stale one (backchain).
	.ifndef	REPAIRED
	.equ	KEEP_CALLER_SLOT, 0
	.endif
	.include "body-6.12.inc"
	.include "select-z196.inc"
	plain_caller
	thunk	1
