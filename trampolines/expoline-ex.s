# The thunks of machines before z10: to r2 .. r14 by way of r1, as compilers make them, and to r14 by way of r11, as
# entry code does.
	.include "thunk-ex.inc"
	.irp	number, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	thunk_ex 1, \number
	.endr
	thunk_ex 11, 14
