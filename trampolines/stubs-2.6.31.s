# ftrace_stub, and _mcount where ftrace_caller does its work, Linux 2.6.31 to 4.16.
	.equ	EXPOLINE, 0
	.include "stub.inc"
	stub	ftrace_stub
	stub	_mcount
