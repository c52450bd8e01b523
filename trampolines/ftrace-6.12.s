# ftrace_caller and ftrace_regs_caller of Linux 6.12, built for z196 and later, with the thunk in the same object.
	.include "body-6.12.inc"
	.include "select-z196.inc"
	both_callers
	thunk	1
