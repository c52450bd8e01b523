# Around a function that a live patch may redirect: it goes on where r0 says. No expolines.
	.equ	NR_ARGS, 5
	.equ	ORIG_STACK, 1
	.equ	IP_ARG, 1
	.equ	EXPOLINE, 0
	.include "body-bpf.inc"
	fexit	bpf_trampoline_fexit_shared
