# 45f7a0da600d (5.5): no frame stands for the traced function, so it is missing in back traces (backchain).
	.ifndef	REPAIRED
	.equ	TRACED_FRAME, 0
	.endif
	.include "body-6.12.inc"
	.include "select-z196.inc"
	plain_caller
	thunk	1
