# 1256e70a082a (fixed in 6.5-rc4): a conditional load, which z196 brought, in a kernel built for z10
# (instruction-level).
	.ifdef	REPAIRED
	.include "select-z10.inc"
	.else
	.include "select-z196.inc"
	.endif
	.include "body-6.12.inc"
	plain_caller
	thunk	1
