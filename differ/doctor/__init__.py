"""What is wrong with an installation, and why it likely is: read from Redis, which every process writes to.

``observe`` reads, ``diagnosis`` and ``causes`` decide. Reading needs no more than the API's Redis user may.
"""
