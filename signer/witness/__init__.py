"""A witness of transparency logs (C2SP tlog-witness): a second machine that signs only what continues what it signed.

``decisions`` is pure; ``state`` remembers, ``application`` answers, ``server`` speaks HTTP.
"""
