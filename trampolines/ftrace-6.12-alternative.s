# ftrace_caller of Linux 6.12, with an instruction of z196 put in by the kernel where the machine has it.
	.set	ALT_ENTRY, 13
	.include "body-6.12.inc"
	.include "select-alternative.inc"
	plain_caller
	thunk	1
