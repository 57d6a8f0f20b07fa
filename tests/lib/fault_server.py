"""A small HTTP server that misbehaves as told, byte by byte.

A handler is a function of the request that returns a list of actions: bytes to send, or one of CLOSE, RESET, HANG and
FLOOD (send for ever).  Requests are kept with the time they came.
"""
import socket, struct, threading, time

CLOSE, RESET, HANG, FLOOD = "close", "reset", "hang", "flood"


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.time = time.monotonic()
        self.path, _, self.query = target.partition("?")


def answer(status, body=b"", headers=(), length=True):
    if isinstance(body, str):
        body = body.encode()
    lines = ["HTTP/1.1 %d X" % status] + ["%s: %s" % h for h in headers]
    if length:
        lines.append("Content-Length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Server:
    """tls: an ssl.SSLContext, then it speaks https."""

    def __init__(self, handler, tls=None):
        self.handler, self.requests, self.stopped, self.tls = handler, [], False, tls
        self.open = self.most_open = 0  # connections
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(50)
        self.port = self.listener.getsockname()[1]
        self.url = "%s://127.0.0.1:%d" % ("https" if tls else "http", self.port)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.stopped:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def read_request(self, f, c):
        line = f.readline().decode("latin-1").split()
        if len(line) < 2:
            return None
        headers = {}
        while True:
            h = f.readline().decode("latin-1").strip()
            if not h:
                break
            k, _, v = h.partition(":")
            headers[k.strip().lower()] = v.strip()
        if headers.get("expect", "").lower() == "100-continue":
            c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = f.read(int(headers.get("content-length", "0")))
        return Request(line[0], line[1], headers, body)

    def serve(self, c):
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            if self.tls:
                c = self.tls.wrap_socket(c, server_side=True)
            self.serve_requests(c)
        except OSError:
            c.close()
        finally:
            with self.lock:
                self.open -= 1

    def serve_requests(self, c):
        f = c.makefile("rb")
        try:
            while not self.stopped:
                r = self.read_request(f, c)
                if r is None:
                    break
                with self.lock:
                    self.requests.append(r)
                    n = len(self.requests)
                for a in self.handler(r, n):
                    if a == CLOSE:
                        return
                    if a == RESET:
                        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    if a == HANG:
                        time.sleep(60)
                        return
                    if a == FLOOD:
                        while True:
                            c.sendall(b"10000\r\n" + b"A" * 65536 + b"\r\n")
                    if a:
                        c.sendall(a)
        except OSError:
            pass
        finally:
            try:
                f.close()
                c.close()
            except OSError:
                pass

    def stop(self):
        self.stopped = True
        self.listener.close()
