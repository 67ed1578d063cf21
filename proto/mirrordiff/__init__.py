"""The contract between the processes of mirrordiff.

What collector and differ must agree on, and nothing else: the messages (`mirrordiff.v1`, generated
from the ``.proto`` files beside this module while the package is built) and the map of every Redis
key (`mirrordiff.redis_keys`).
"""
