"""A status page as its readers reach it."""

import contextlib
import http.client
import json
import urllib.parse

from nights import night, prepare, send
from orch import SENSOR, Orch, wait_until


class Page:
    def __init__(self, orch):
        self.url = wait_until(lambda: orch.ctl("status").get("page"), "the page has an address")
        self.where = urllib.parse.urlsplit(self.url).netloc

    def get(self, path, method="GET", **headers):
        """status, headers, body"""
        connection = http.client.HTTPConnection(self.where, timeout=30)
        try:
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
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


BROKEN = """
sensors:
  leap_day: {type: cron, cron: '0 3 29 2 *', time_zone: America/Chicago, job: broken_job, config: {observation_date: '{yesterday}'}}
assets:
  broken: {type: exec, command: [sh, -c, 'echo no luck; exit 1'], retries: 0, tags: [test]}
  after: {type: exec, command: ['true'], deps: [broken]}
jobs:
  broken_job: {assets: [broken, after], partition: 'uao/{observation_date}'}
"""


@contextlib.contextmanager
def daemon_that_knows_everything(root):
    """A daemon with its page: a night done, half of another, a failed run, a hold, a paused sensor, a notification that waits."""
    orch = Orch(root)
    try:
        prepare(orch)
        (orch.root / "jobs" / "broken.yaml").write_text(BROKEN)
        orch.config.write_text(orch.config.read_text() + "\nweb: {listen: '127.0.0.1:0'}\n"
                               "notifications:\n  hook: {type: command, on: [failed], command: ['false'], retry_delay: 1h, retry_max_delay: 1h}\n")
        send(orch, night("minime05", "20260407"))
        orch.start()
        orch.tick()
        wait_until(lambda: [r for r in orch.runs() if r["state"] == "succeeded"], "the night is done")
        send(orch, night("minime05", "20260408"), skip=("000000",))
        orch.put("raw/" + "a-long-name" * 18, "x")
        orch.tick()
        orch.failed = orch.ctl("launch", "broken_job", "--detach", "-s", "observation_date=20260409")["run"]
        orch.wait_run(orch.failed)
        orch.ctl("hold", "uao/20260407", "--reason", "looked at <again>")
        orch.ctl("sensors", "pause", SENSOR)
        orch.put("results/2026/stranger.txt", "on no record")
        orch.ctl("audit")
        orch.page = Page(orch)
        orch.done = orch.runs(state="succeeded")[0]
        yield orch
    finally:
        orch.close()
