"""Bodies into values: one module a family, one row in the table of :mod:`differ.core.lifting.bodies`.

A lifter takes decoded bytes and gives a value of :mod:`differ.core.values`, or an
:class:`~differ.core.lifting.lifted.Unreadable` that says why it cannot. It never raises.
"""
