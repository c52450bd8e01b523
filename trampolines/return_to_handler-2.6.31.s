# return_to_handler of Linux 2.6.31 to 4.16: the handler gets nothing.
	.equ	EXPOLINE, 0
	.include "return_plain.inc"
	return_plain
