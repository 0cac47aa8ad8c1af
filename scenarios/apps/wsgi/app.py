"""The app "bench" for WSGI servers (PEP 3333): the twin of scenarios/apps/bench.go.

Every answer has the same status, Content-Type and bytes as the Go app's. It
needs nothing but Python 3. Waiting is time.sleep, as a Python developer would
write it: a server that runs gevent patches it (see wait below), any other
blocks its thread.
"""

import ctypes
import hashlib
import json
import time

TEXT = [("Content-Type", "text/plain")]
JSON = [("Content-Type", "application/json")]
BINARY = "application/octet-stream"

READ = "GET, HEAD"
HELLO = b"Hello, World!"
MAX_CHUNK = 64 << 10

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BLOCK = ALPHABET * (MAX_CHUNK // len(ALPHABET) + 1)

NOT_FOUND = (
    "no such path; there are /hello, /json, /wait?ms=, /block?ms=, /cpu?rounds=,"
    " /bytes?n=, /stream?chunks=&size=&ms=, /echo\n"
)


class Timespec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


# use_errno=False, and CDLL releases the GIL: other threads run on, as they do
# under a blocking driver, but this one is held, and with gevent all greenlets.
LIBC = ctypes.CDLL(None)


def pattern(offset, n):
    """n bytes, at most 64 KiB, of ALPHABET repeated, from offset on."""
    start = offset % len(ALPHABET)
    return BLOCK[start : start + n]


def hello(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", str(len(HELLO)))])
    return [HELLO]


def json_message(environ, start_response):
    data = json.dumps({"message": "Hello, World!"}, separators=(",", ":")).encode()
    start_response("200 OK", JSON + [("Content-Length", str(len(data)))])
    return [data]


def wait(environ, start_response, ms):
    time.sleep(ms / 1000)
    return text(start_response, "200 OK", "waited\n")


def block(environ, start_response, ms):
    # Not time.sleep: gevent would patch it, and the point is to hold the thread.
    left = Timespec(ms // 1000, ms % 1000 * 1000000)
    while LIBC.nanosleep(ctypes.byref(left), ctypes.byref(left)) != 0:
        pass  # a signal came in; left is what is left
    return text(start_response, "200 OK", "blocked\n")


def cpu(environ, start_response, rounds):
    digest = b"dyno"
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return text(start_response, "200 OK", digest.hex())


def many_bytes(environ, start_response, n):
    start_response("200 OK", [("Content-Type", BINARY), ("Content-Length", str(n))])
    return (pattern(at, min(MAX_CHUNK, n - at)) for at in range(0, n, MAX_CHUNK))


def stream(environ, start_response, chunks, size, ms):
    start_response("200 OK", [("Content-Type", BINARY)])
    return stream_chunks(chunks, size, ms)


def stream_chunks(chunks, size, ms):
    for i in range(chunks):
        if i and ms:
            time.sleep(ms / 1000)
        yield pattern(i * size, size)


def echo(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    content_type = environ.get("CONTENT_TYPE") or BINARY
    start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]


MS = ("ms", 0, 60000)
ROUTES = {  # path: (methods, parameters as (name, min, max), function)
    "/hello": (READ, (), hello),
    "/json": (READ, (), json_message),
    "/wait": (READ, (MS,), wait),
    "/block": (READ, (MS,), block),
    "/cpu": (READ, (("rounds", 1, 10000000),), cpu),
    "/bytes": (READ, (("n", 0, 1 << 30),), many_bytes),
    "/stream": (READ, (("chunks", 0, 10000), ("size", 0, MAX_CHUNK), MS), stream),
    "/echo": ("POST", (), echo),
}


class BadQuery(Exception):
    pass


def parse(query, params):
    """The parameters' values in their order; BadQuery says what is wrong."""
    if not query and not params:
        return ()
    known = {name: (low, high) for name, low, high in params}
    values = {}
    rest = query
    while rest:
        pair, _, rest = rest.partition("&")
        name, _, value = pair.partition("=")
        if name not in known:
            raise BadQuery("unknown parameter")
        if name in values:
            raise BadQuery(name + " is given twice")
        low, high = known[name]
        digits = 0 < len(value) <= 10 and value.isascii() and value.isdigit()
        if not digits or not low <= int(value) <= high:
            raise BadQuery("%s is not a whole number from %d to %d" % (name, low, high))
        values[name] = int(value)
    for name in known:
        if name not in values:
            raise BadQuery(name + " is missing")
    return tuple(values[name] for name in known)


def usage(params):
    return ", ".join("%s (%d to %d)" % p for p in params) or "no parameters"


def text(start_response, status, message, more=()):
    data = message.encode()
    start_response(status, TEXT + list(more) + [("Content-Length", str(len(data)))])
    return [data]


def application(environ, start_response):
    body = answer(environ, start_response)
    if environ["REQUEST_METHOD"] == "HEAD":
        return []  # not every server leaves it out (gunicorn 20 does not)
    return body


def answer(environ, start_response):
    path = environ.get("PATH_INFO", "")
    route = ROUTES.get(path)
    if route is None:
        return text(start_response, "404 Not Found", NOT_FOUND)
    allow, params, serve = route
    if environ["REQUEST_METHOD"] not in allow.split(", "):
        message = "%s takes %s\n" % (path, allow)
        return text(start_response, "405 Method Not Allowed", message, [("Allow", allow)])
    try:
        values = parse(environ.get("QUERY_STRING", ""), params)
    except BadQuery as wrong:
        message = "%s; %s takes %s\n" % (wrong, path, usage(params))
        return text(start_response, "400 Bad Request", message)
    return serve(environ, start_response, *values)
