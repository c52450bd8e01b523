"""What was proved once is not proved again: verdicts by the hash of everything that they depend on."""
