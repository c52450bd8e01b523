# fprobe v15 (not merged): 160+360 bytes allocated, 360 released: r15 is 160 too low and the result lost
# (stack-balanced, return-value).
	.include "return_to_handler.inc"
	.ifdef	REPAIRED
	return_to_handler size=__PT_SIZE+160, r2_at=__PT_GPRS+2*8, r15_at=__PT_GPRS+15*8
	.else
	return_to_handler size=__PT_SIZE+160, r2_at=__PT_GPRS+2*8, r15_at=__PT_GPRS+15*8, release=160
	.endif
