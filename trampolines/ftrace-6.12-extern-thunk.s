# The same for z10, where leaving takes a branch; the thunk is another object's.
	.include "body-6.12.inc"
	.include "select-z10.inc"
	both_callers
