# Before and after a function of one argument, and perhaps in its place.
	.equ	NR_ARGS, 1
	.include "body-bpf.inc"
	fmod_ret bpf_trampoline_fmod_ret
