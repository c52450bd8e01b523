# _mcount of Linux 2.6.29 and 2.6.30, which had no dynamic ftrace: it does the work itself.
	.equ	STOP, 0
	.equ	KEEP_R0, 1
	.equ	GRAPH, 0
	.include "body-mcount.inc"
	mcount_body ip_adjust=0, name=_mcount
