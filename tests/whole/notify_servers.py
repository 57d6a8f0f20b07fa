"""Servers that take notifications: a webhook, the part of GitHub's API that issues need, and SMTP."""

import base64
import email
import email.policy
import http.server
import json
import re
import socketserver
import threading
import urllib.parse


class Server:
    """Shared by all: a port of its own, a lock, and whether it answers at all."""

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _serve(self, handler, cls, port=0):
        handler.outer = self
        cls.allow_reuse_address = True
        cls.daemon_threads = True
        self.server = cls(("127.0.0.1", port), handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, answer, headers = self.outer.handle(self.command, self.path, self.headers, body)
        if status is None:
            self.close_connection = True
            return
        data = json.dumps(answer).encode()
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = _any


class Webhook(Server):
    """status: what it answers, None closes the line; seen: [(headers, body)] of all that was asked."""

    def __init__(self, port=0, status=200, headers=None):
        self.seen, self.status, self.headers, self.gate = [], status, headers or {}, None
        self._serve(type("Handler", (_Http,), {}), http.server.ThreadingHTTPServer, port)
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def handle(self, method, path, headers, body):
        assert (method, path) == ("POST", "/hook")
        self.seen.append((dict(headers), body))
        if self.gate is not None:
            self.gate.wait(60)
        return self.status, {"ok": True}, self.headers

    def events(self):
        return [json.loads(body) for _, body in self.seen]


class GitHub(Server):
    """Issues of one repository, checked as strictly as the real thing does what we use of it."""

    def __init__(self, repository, token, users=(), pushes=True):
        """pushes: whether the token may push; the labels and assignees of one that may not are dropped without a word."""
        self.repository, self.token, self.users, self.pushes = repository, token, set(users), pushes
        self.issues, self.requests, self.faults, self.lock = [], [], [], threading.Lock()
        self._serve(type("Handler", (_Http,), {}), http.server.ThreadingHTTPServer)
        self.url = f"http://127.0.0.1:{self.port}"

    def handle(self, method, path, headers, body):
        with self.lock:
            url = urllib.parse.urlsplit(path)
            query = dict(urllib.parse.parse_qsl(url.query, strict_parsing=bool(url.query)))
            self.requests.append((method, url.path))
            if headers.get("Authorization") != f"Bearer {self.token}":
                return 401, {"message": "Bad credentials"}, {}
            if not headers.get("User-Agent") or headers.get("X-GitHub-Api-Version") != "2022-11-28":
                return 400, {"message": "headers"}, {}
            for i, (want, answer, after) in enumerate(self.faults):
                if want == (method, url.path):
                    del self.faults[i]
                    if after:  # done, but nobody learns of it
                        self._route(method, url.path, query, body)
                    return answer
            return self._route(method, url.path, query, body)

    def _route(self, method, path, query, body):
        m = re.fullmatch(rf"/repos/{re.escape(self.repository)}/issues(?:/(\d+)(/comments)?)?", path)
        if not m:
            return 404, {"message": "Not Found"}, {}
        data = json.loads(body) if body else {}
        if m[1] is None:
            return self._list(query) if method == "GET" else self._create(data)
        issue = self.issues[int(m[1]) - 1]
        if m[2] and method == "GET":
            return 200, self._page(issue["comments"], query), {}
        if m[2] and method == "POST":
            issue["comments"].append({"body": data["body"]})
            return 201, issue["comments"][-1], {}
        if method == "PATCH":
            issue.update(data)
            return 200, issue, {}
        return 405, {"message": "method"}, {}

    @staticmethod
    def _page(items, query):
        n, page = int(query["per_page"]), int(query["page"])
        assert n <= 100
        return items[(page - 1) * n:page * n]

    def _list(self, query):
        assert query["state"] == "open"
        wanted = set(query["labels"].split(",")) if "labels" in query else set()
        found = [i for i in reversed(self.issues) if i["state"] == "open" and wanted <= set(i["labels"])]
        return 200, self._page(found, query), {}

    def _create(self, data):
        if not data["title"] or any(len(label) > 50 for label in data["labels"]):
            return 422, {"message": "Validation Failed"}, {}
        if not set(data["assignees"]) <= self.users:
            return 422, {"message": "Validation Failed: assignees"}, {}
        if not self.pushes:
            data |= {"labels": [], "assignees": []}
        issue = {**data, "number": len(self.issues) + 1, "state": "open", "comments": []}
        self.issues.append(issue)
        return 201, issue, {}

    def open_by_hand(self, title, label, pull=False):
        issue = {"title": title, "body": "by hand", "labels": [label], "assignees": [], "state": "open",
                 "number": len(self.issues) + 1, "comments": [], **({"pull_request": {}} if pull else {})}
        self.issues.append(issue)


class Smtp(Server):
    """refuse: {command: reply} of what it does not take, or {address of a reader: reply}; tls: None, "tls" or "starttls", with that context."""

    def __init__(self, user=None, password=None, tls=None, context=None):
        self.letters, self.refuse, self.login = [], {}, (user, password)
        self.tls, self.context = tls, context
        self._serve(type("Handler", (_SmtpTalk,), {}), socketserver.ThreadingTCPServer)


class _SmtpTalk(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def encrypt(self):
        self.request = self.outer.context.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
        self.encrypted = True

    def handle(self):
        try:
            self.talk()
        except OSError:  # the other side would not trust us
            pass

    def talk(self):
        outer, letter = self.outer, {"from": None, "to": [], "login": None}
        self.encrypted = False
        if outer.tls == "tls":
            self.encrypt()
        self.say("220 here")
        while line := self.rfile.readline():
            line = line.decode().rstrip("\r\n")
            word = line.split(" ")[0].upper()
            if word in outer.refuse:
                self.say(outer.refuse[word])
            elif word == "EHLO":
                self.say("250-here")
                if outer.tls == "starttls" and not self.encrypted:
                    self.say("250-STARTTLS")
                elif outer.login[0]:
                    self.say("250-AUTH PLAIN")
                self.say("250 SIZE 1000000")
            elif word == "STARTTLS":
                self.say("220 go on")
                self.encrypt()
            elif word == "AUTH":
                letter["login"] = self.auth(line)
                self.say("235 yes" if letter["login"] == outer.login else "535 no")
            elif word == "MAIL":
                if outer.login[0] and letter["login"] != outer.login:
                    self.say("530 log in first")
                    continue
                letter["encrypted"] = self.encrypted
                letter["from"] = re.search("<(.*)>", line)[1]
                self.say("250 ok")
            elif word == "RCPT" and (reader := re.search("<(.*)>", line)[1]) in outer.refuse:
                self.say(outer.refuse[reader])
            elif word == "RCPT":
                letter["to"].append(re.search("<(.*)>", line)[1])
                self.say("250 ok")
            elif word == "DATA":
                self.say("354 go on")
                lines = []
                while (text := self.rfile.readline()) != b".\r\n":
                    assert text.endswith(b"\r\n") and len(text) <= 1000
                    lines.append(text[1:] if text.startswith(b".") else text)
                letter["message"] = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                outer.letters.append(letter)
                self.say("250 taken")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("502 what")

    def auth(self, line):
        words = line.split(" ")
        if len(words) == 2:
            self.say("334 ")
            words.append(self.rfile.readline().decode().strip())
        _, user, password = base64.b64decode(words[2]).decode().split("\0")
        return user, password
