"""mirrordiff on one machine: a Redis, the processes and a real Envoy, started and stopped as one.

======================== ==========================================================================
``upstreams``, ``ports`` what a service URL and an address to listen on mean
``plan``                 every fault of a command line, found before anything starts
``binaries``             where the Envoy and the Redis server to run are
``envoy_config``         the bootstrap: front listener, mirror, capturing listeners; made of
                         ``envoy_http`` and ``envoy_clusters``
``capture.lua``          the filter that copies a response as it passes
``tether``, ``process``  one child process that cannot outlive its parent
``stack``                which processes, in which order, and what "ready" means for each
``probe``, ``scratch``   asking a process whether it is ready; where a run keeps its files
``shop``, ``load``       the demo's two sample services and its clients
======================== ==========================================================================
"""
