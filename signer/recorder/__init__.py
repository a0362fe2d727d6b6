"""The one process of a machine that commits records of signatures, and the ways to it.

``protocol`` is what both sides say, ``server`` and ``main`` are the process, ``client`` is a worker's side, and
``supervision`` is for the process that starts the workers.
"""
