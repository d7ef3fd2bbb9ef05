"""kcode: a coding assistant for Moonshot's Kimi K2 family.

This module stays empty of imports: ``kcode --version`` reads it and nothing else.
"""

__version__ = "0.1.0"
