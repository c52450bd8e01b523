# 4.4 before the expoline backport: plain br and basr under a Spectre v2 configuration (expoline).
	.ifndef	REPAIRED
	.equ	EXPOLINE, 0
	.endif
	.include "body-6.12.inc"
	.include "select-z196.inc"
	plain_caller
	thunk	1
