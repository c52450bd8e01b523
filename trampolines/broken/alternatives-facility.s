# Faults that only a machine with the facility has: the fast clock goes over the caller's back chain, and a conditional
# load changes the wrong register. A test on an older machine, or of the object as assembled, finds neither.
	.set	ALT_ENTRY, 11
	.set	ALT_FACILITY, 0
	.include "alternatives.inc"
	.ifdef	REPAIRED
	read_clock
	smaller
	.else
	read_clock "stckf 168+152(%r15)"
	smaller "locgrh %r6, %r3; nop"
	.endif
