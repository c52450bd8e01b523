"""Counterexamples that people believe: small, replayed on an emulator, and told as a story."""
