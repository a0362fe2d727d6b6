"""Identities of CI jobs: their OpenID Connect tokens, checked, and exchanged for short sessions."""
