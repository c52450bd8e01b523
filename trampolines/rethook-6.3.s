# arch_rethook_trampoline of Linux 6.3 and later.
	.include "probe_return.inc"
	probe_return arch_rethook_trampoline, arch_rethook_trampoline_callback
