"""The receiving side of HTTP/2 (RFC 9113), as a collector of gRPC streams needs it.

Much comes in and next to nothing goes out. What is read makes room at once, whatever becomes of it: a
proxy whose window is used up would hold up a live response. No task, thread or timer belongs to a
stream: at some thousand short streams a second those are the cost.
"""
