"""The tutorial's services, customer → preference → recommendation, and the clients.

NAME and VERSION say which one this is, NEXT which one it asks. Version v2 of customer is a rewrite with two
faults in it: loyalty has become a text, and one customer in 50 is answered with an error.
"""

import json
import os
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = os.environ.get("NAME", "customer")
VERSION = os.environ.get("VERSION", "v1")
NEXT = os.environ.get("NEXT", "")
PORT = int(os.environ.get("PORT", "8080"))
PASSED_ON = ("x-request-id", "traceparent")


def answer(number, headers):
    """Status and document of one request."""
    document = {"service": NAME, "id": number}
    if NAME == "customer":
        if VERSION == "v2" and number % 50 == 7:
            return 500, {"error": "no such loyalty class"}
        loyalty = number % 7
        document |= {"name": f"Customer {number}", "loyalty": str(loyalty) if VERSION == "v2" else loyalty}
    elif NAME == "recommendation":
        document |= {"goods": [f"A-{number % 13}", f"B-{number % 5}"]}
    if NEXT:
        passed_on = {name: headers[name] for name in PASSED_ON if headers.get(name)}
        asked = urllib.request.Request(f"{NEXT}/{number}", headers=passed_on)
        with urllib.request.urlopen(asked, timeout=5) as told:
            document["next"] = json.load(told)
    return 200, document


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        number = self.path.rsplit("/", 1)[-1]
        try:
            status, document = answer(int(number), self.headers) if number.isdigit() else (404, {})
        except OSError:
            status, document = 502, {"error": "the next service does not answer"}
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing of each request."""


def clients():
    """Ask for one customer after the other, about 20 a second, for ever."""
    number = 0
    while True:
        number += 1
        try:
            with urllib.request.urlopen(f"{NEXT}/{number % 1000}", timeout=5) as told:
                told.read()
        except (OSError, urllib.error.HTTPError):
            pass
        time.sleep(0.05)


if __name__ == "__main__":
    if NAME == "clients":
        clients()
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
