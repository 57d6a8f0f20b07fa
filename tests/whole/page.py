"""A status page as its readers reach it."""

import http.client
import json
import urllib.parse

from orch import wait_until


class Page:
    def __init__(self, orch):
        self.url = wait_until(lambda: orch.ctl("status").get("page"), "the page has an address")
        self.where = urllib.parse.urlsplit(self.url).netloc

    def get(self, path, **headers):
        """status, headers, body"""
        connection = http.client.HTTPConnection(self.where, timeout=30)
        try:
            connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def text(self, path, **headers):
        status, _, body = self.get(path, **headers)
        assert status == 200, f"{path}: {status} {body[:300]}"
        return body.decode()

    def json(self, path):
        return json.loads(self.text(path))
