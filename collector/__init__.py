"""Receives what both sides answered, and brings the answers to one request together in Redis.

proxy → ``server`` (streams) → ``envoy_accesslog`` (entry → capture) → ``redaction`` → ``pairing``
(the key both sides share) → ``sink`` (bounded queue, batched) → Redis, where ``pairing.lua`` joins.

A dead, slow or hung collector costs live traffic nothing; what it could not keep is counted.
"""
