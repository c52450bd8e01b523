# ftrace_caller and ftrace_regs_caller of Linux 5.16 and 5.17: of the PSW mask what ipm and stosm give.
	.equ	PSW_MASK, 2
	.include "body-6.12.inc"
	.include "select-z196.inc"
	both_callers
	thunk	1
