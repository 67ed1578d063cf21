"""The one package of the differ that talks to Redis.

``deliveries`` hands out what is to be judged, ``settlement`` counts what was judged exactly once,
``evidence`` reads what has been counted and kept. Every key is in `mirrordiff.redis_keys`.
"""
