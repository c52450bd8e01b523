# The first _mcount, 2.6.29-rc, in 31-bit kernels: a frame is allocated and no back chain written (backchain).
	.include "body-mcount31.inc"
	.ifdef	REPAIRED
	mcount31_body
	.else
	mcount31_body backchain=0
	.endif
