# The traced function's result is not saved around the call, and r2 is the handler's own (return-value).
	.include "return_to_handler31.inc"
	.ifdef	REPAIRED
	return31_body
	.else
	return31_body save=0
	.endif
