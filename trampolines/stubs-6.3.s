# ftrace_stub and ftrace_stub_direct_tramp of Linux 6.3 and later.
	.include "stub.inc"
	stub	ftrace_stub
	stub	ftrace_stub_direct_tramp, 1, %r0
	thunk	1
	thunk	14
