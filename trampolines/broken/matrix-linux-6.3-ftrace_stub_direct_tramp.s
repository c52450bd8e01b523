# linux-6.3/ftrace_stub_direct_tramp: one fault for each property that it states, in a routine named after the property.
	.include "stub.inc"
	.include "faults-stub.inc"
	stub_faults 1, %r0
