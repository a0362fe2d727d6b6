"""Witnesses of transparency logs (C2SP tlog-witness): second machines that sign only what continues what they signed.

``decisions`` is pure; ``state`` remembers, ``application`` answers, ``server`` speaks HTTP. For those that ask one:
``exchange`` speaks HTTP to it, ``asking`` says what its answers mean.
"""
