# Around a function of seven arguments, two of them on the stack.
	.equ	NR_ARGS, 7
	.include "body-bpf.inc"
	fexit	bpf_trampoline_fexit
