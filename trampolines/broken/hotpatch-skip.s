# A shared hotpatch trampoline that takes its two words 8 bytes too early: it goes to where the traced function goes on,
# instead of to the interceptor, and with the record's own instruction in r0 (psw-redirect, callee-saved).
	.ifndef	REPAIRED
	.equ	SKIP, -6
	.endif
	.include "hotpatch.inc"
	shared_br
