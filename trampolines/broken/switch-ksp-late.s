# A context switch that keeps prev's stack pointer only after it has taken up next's stack: prev will wake up on the
# wrong one (memory-frame).
	.ifndef	REPAIRED
	.equ	SAVE_KSP, 0
	.endif
	.include "switch.inc"
	switch_body __switch_to
	thunk	14
