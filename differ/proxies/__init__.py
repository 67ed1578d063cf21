"""Configuration for proxies that mirror: written for a user's own names, to be applied as it is.

``names`` what differs between installations · ``filters`` the pieces that capture · one module for each
kind of proxy: ``envoy``, ``istio``, ``gateway``, ``nginx`` · ``render`` all of them as text.
"""
