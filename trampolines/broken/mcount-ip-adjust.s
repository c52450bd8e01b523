# "s390/ftrace: fix mcount adjustment" (3.12): the handler got the address after the call as ip (handler-arguments).
	.include "body-mcount.inc"
	.ifdef	REPAIRED
	mcount_body
	.else
	mcount_body ip_adjust=0
	.endif
