# The thunk for r1 of kernels from 4.16 to 5.18 that also run on machines without EXRL.
	.include "thunk-r1.inc"
	thunk_r1
