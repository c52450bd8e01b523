# Before a function of three arguments, whose address programs may ask for.
	.equ	NR_ARGS, 3
	.equ	IP_ARG, 1
	.include "body-bpf.inc"
	fentry	bpf_trampoline_fentry
