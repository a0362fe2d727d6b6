"""Runs in the token's own process, which alone loads the module and reads the PIN."""
