# ftrace_stub, and _mcount where ftrace_caller does its work, of 31-bit kernels, Linux 2.6.29 to 3.17.
	.include "function.inc"

	.macro	stub31 name:req, at_entry
	.text
	.balign	4
	function \name
	\at_entry
	br	%r14
	end	\name
	.endm

	stub31	ftrace_stub
	stub31	_mcount
