"""The signing service: its HTTP interface, its administration and its client.

Inside, imports run one way: ``web`` and ``cli`` call ``services``, which work on ``domain`` values through the
ports that ``services.ports`` declares; ``storage``, ``auth`` and ``token`` implement those ports, and
``bootstrap`` alone names the concrete classes.
"""

__version__ = "0.1.0"
