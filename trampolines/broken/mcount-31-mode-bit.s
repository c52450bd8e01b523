# The handler got both addresses with the addressing mode in their first bit, so that no table knew them: the masking
# by `la` was forgotten (handler-arguments).
	.include "body-mcount31.inc"
	.ifdef	REPAIRED
	mcount31_body
	.else
	mcount31_body mask=0
	.endif
