# A return trampoline that allocates its frame by an addition, before it takes the PSW mask: the condition code of the
# return is lost (regs-complete).
	.ifndef	REPAIRED
	.equ	EARLY_EPSW, 0
	.endif
	.include "probe_return.inc"
	probe_return arch_rethook_trampoline, arch_rethook_trampoline_callback
