# A return trampoline that leaves by a branch: r1 holds the target instead of the handler's r1, and the PSW mask is what
# the trampoline and its handler happened to leave (callee-saved, regs-honoured, mode-preserved).
	.ifndef	REPAIRED
	.equ	LOAD_PSW, 0
	.endif
	.include "probe_return.inc"
	probe_return __kretprobe_trampoline, trampoline_probe_handler
