"""mirrordiff on one machine: a Redis, the processes and a real Envoy, started and stopped as one.

======================= ==========================================================================
``upstreams``           what a service URL means
``problems``            every fault of a command line, found before anything starts
``binaries``            where the Envoy and the Redis server to run are
``envoy_config``        the bootstrap: front listener, mirror, capturing listeners
``capture.lua``         the filter that copies a response as it passes
``tether``, ``process`` one child process that cannot outlive its parent
``stack``               which processes, in which order, and what "ready" means for each
``shop``, ``load``      the demo's two sample services and its clients
======================= ==========================================================================
"""
