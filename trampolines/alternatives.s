# Functions with code that the kernel replaces while it boots, in the form of 6.11 and later: both sides of a choice have
# the same length.
	.set	ALT_ENTRY, 13
	.include "alternatives.inc"
	read_clock
	smaller
