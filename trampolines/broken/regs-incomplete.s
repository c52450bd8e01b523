# 1389f17937a0 (5.17-rc7): pt_regs is handed out as complete, with psw.mask and flags never written (regs-complete,
# no-stale-read).
	.ifndef	REPAIRED
	.equ	PSW_MASK, 0
	.equ	FLAGS, 0
	.endif
	.include "body-6.12.inc"
	.include "select-z196.inc"
	both_callers
	thunk	1
