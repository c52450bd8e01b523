# ce10fc0604bc (6.6): the frame is one doubleword off, so that r14 is kept in the parent's back chain (stack-confined).
	.equ	NR_ARGS, 1
	.ifndef	REPAIRED
	.equ	RETURN_AT, 152
	.endif
	.include "body-bpf.inc"
	fexit	bpf_trampoline_fexit
