"""Credentials to identities."""
