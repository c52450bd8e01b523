# In the place of a function of two arguments that is called through a table.
	.equ	NR_ARGS, 2
	.include "body-bpf.inc"
	struct_ops bpf_trampoline_struct_ops, result=1
