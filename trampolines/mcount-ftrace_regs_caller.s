# What the review of July 2014 asked for: ftrace_caller and ftrace_regs_caller of the r14 protocol with one body.
#
# Offsets come from the layout, gprs[14] and psw.addr are kept apart, and both are honoured: the code leaves through r1
# with r14 = gprs[14], and refreshes 8(entry r15), from which the traced function reloads r14.
	.include "body-mcount-regs.inc"
	mcount_regs_bodies
