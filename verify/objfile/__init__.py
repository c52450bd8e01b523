"""Object file to Image: sections, symbols, routines, relocations as holes."""
