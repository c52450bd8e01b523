# "s390/ftrace: fix mcount adjustment" (3.12), in 31-bit kernels: the call was taken to lie 20 bytes back, and it is 22
# (handler-arguments).
	.include "body-mcount31.inc"
	.ifdef	REPAIRED
	mcount31_body
	.else
	mcount31_body ip=20
	.endif
