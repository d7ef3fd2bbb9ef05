"""Chaos: the shipped ``kcode`` on a terminal and without one, a simulated server and a machine that fail.

``python -m tests.chaos --turns 1000 --seed 8`` runs it at length; a small slice of it runs with the tests.

| module | question |
|---|---|
| ``faults`` | what goes wrong |
| ``plan`` | which turn suffers what, by a seed |
| ``speaker`` | what the model says meanwhile |
| ``machine`` | how the machine is made to fail, and mended |
| ``people`` | who sits in front of it: on a terminal, or a script |
| ``laws`` | what must hold after each turn |
| ``sessions`` | one session from its project to its resumption |
"""
