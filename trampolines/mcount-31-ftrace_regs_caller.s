# What the review of July 2014 asked for, for 31-bit kernels: ftrace_caller and ftrace_regs_caller with one body.
#
# Offsets come from the layout, gprs[14] and psw.addr are kept apart, and both are honoured: the code leaves through r1
# with r14 = gprs[14], and refreshes 4(entry r15), from which the traced function reloads r14.
	.include "body-mcount31-regs.inc"
	mcount31_regs_bodies
