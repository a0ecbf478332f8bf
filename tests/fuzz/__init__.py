"""Mutated input of every kind, run through the command itself in this process.

``mutation`` spoils texts and trees, ``server`` is the API server that answers until an answer is spoilt, ``targets``
makes a case from a seed, ``harness`` runs it and says what may not be.
"""
