"""Receives what both sides answered, and brings the answers to one request together in Redis.

::

    access log  ─▶ server   ─▶ envoy_accesslog ─┐
    ext_proc    ─▶ extproc  ─▶ assembly        ─┼─▶ captured ─▶ intake ─▶ sink ─▶ Redis, where
    HTTP        ─▶ posts    ─▶ documents       ─┘   redacted,    counted   bounded   pairing.lua joins
                                                    with a key             queue

A dead, slow or hung collector costs live traffic nothing; what it could not keep is counted.
"""
