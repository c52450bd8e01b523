# Before the counter was written back: the tail calls that the function made are forgotten (regs-honoured).
	.equ	NR_ARGS, 1
	.ifndef	REPAIRED
	.equ	WRITE_BACK, 0
	.endif
	.include "body-bpf.inc"
	fexit	bpf_trampoline_fexit
