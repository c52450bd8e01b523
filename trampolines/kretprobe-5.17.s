# __kretprobe_trampoline of Linux 5.17 to 6.1.
	.include "probe_return.inc"
	probe_return __kretprobe_trampoline, trampoline_probe_handler
