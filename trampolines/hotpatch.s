# The hotpatch trampolines of 5.15 and later: both shared parts, and a record for either.
	.include "hotpatch.inc"
	shared_br
	shared_exrl
	.section .text.trampolines, "ax", @progbits
	record	record_br
	record	record_exrl, ftrace_shared_hotpatch_trampoline_exrl
