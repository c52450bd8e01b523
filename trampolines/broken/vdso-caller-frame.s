# A wrapper that keeps r14 in the save area that the ABI grants it; old C libraries call the vdso without one
# (stack-confined).
	.include "vdso.inc"
	.ifdef	REPAIRED
	wrapper	getcpu
	.else
	wrapper	getcpu, link=FRAME+112
	.endif
