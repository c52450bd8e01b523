"""The machine: terms, registers, the program-status word, storage."""
