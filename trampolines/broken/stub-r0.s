# A branch to where register 0 points is no branch: r0 must be in another register first. The stub runs into the code
# behind it, and the traced function is left out (psw-redirect).
	.include "stub.inc"
	.ifdef	REPAIRED
	stub	ftrace_stub_direct_tramp, 1, %r0
	.else
	function ftrace_stub_direct_tramp
	br	%r0
	end	ftrace_stub_direct_tramp
	.endif
	stub	ftrace_stub
	thunk	1
	thunk	14
