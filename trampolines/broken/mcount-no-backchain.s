# The first _mcount, 2.6.29-rc: a frame is allocated and no back chain written (backchain).
	.include "body-mcount.inc"
	.ifdef	REPAIRED
	mcount_body
	.else
	mcount_body backchain=0
	.endif
