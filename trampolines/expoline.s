# The thunks __s390_indirect_jump_r1 to _r15, each in a section of its own.
	.include "thunk.inc"
	.irp	number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	thunk	\number
	.endr
