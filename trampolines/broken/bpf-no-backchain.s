# 5356ba1ff4f2: no back chain, and r14 in another slot than the unwinder looks at (backchain).
	.equ	NR_ARGS, 2
	.ifndef	REPAIRED
	.equ	BACKCHAIN, 0
	.equ	RETURN_AT, 112
	.endif
	.include "body-bpf.inc"
	fentry	bpf_trampoline_fentry
