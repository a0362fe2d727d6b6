"""Runs in the process that wants signatures: knows sockets and processes, never a PKCS#11 module or a PIN."""
