# The vdso's wrappers.
	.include "vdso.inc"
	.irp	name, gettimeofday, clock_getres, clock_gettime, getcpu
	wrapper	\name
	.endr
