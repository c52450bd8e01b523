# linux-4.17/ftrace_stub: one fault for each property that it states, in a routine named after the property.
	.include "stub.inc"
	.include "faults-stub.inc"
	stub_faults
