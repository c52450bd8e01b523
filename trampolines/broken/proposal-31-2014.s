# The proposal of July 2014 for 31-bit kernels: its offsets of struct pt_regs were numbers, and four bytes short, since
# the structure's PSW begins at 8 and not at 4 (regs-complete, regs-honoured, psw-redirect).
	.include "body-mcount31-regs.inc"
	.ifdef	REPAIRED
	mcount31_regs_bodies
	.else
	mcount31_regs_bodies psw_at=4, gprs_at=12
	.endif
