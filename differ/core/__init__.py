"""Every decision, and no I/O: lifting bytes into values, comparing, rules, noise, tallies, verdict.

Nothing below this package awaits, reads a clock, draws a random number or imports a client of
anything. Time comes in as an argument. The packages around it fetch and store; this one decides.
"""
