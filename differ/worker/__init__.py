"""Judges pairs: reads what is ready, compares, counts exactly once, keeps examples.

One role a module: ``reader`` and ``reclaimer`` bring entries, ``judge`` turns an entry into a
verdict on one pair, ``loop`` runs the roles and settles, ``sweeper`` hands on what waited in vain,
``register`` keeps the list of sessions, ``ruleset`` loads rules anew when they change.
"""
