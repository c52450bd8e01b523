# return_to_handler of Linux 4.17 to 6.4.
	.include "return_plain.inc"
	return_plain
	thunk	14
