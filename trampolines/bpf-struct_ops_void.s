# In the place of a function without arguments and result that is called through a table.
	.equ	NR_ARGS, 0
	.include "body-bpf.inc"
	struct_ops bpf_trampoline_struct_ops_void, result=0
