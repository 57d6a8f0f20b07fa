"""The status page of a daemon with a real night behind it: what it shows is what orchctl says.  Its look: test_page_look.py."""

import datetime
import gzip
import http.client
import json
import re
import signal
import time
import xml.etree.ElementTree as tree

import pytest

from nights import night, prepare, send
from orch import SENSOR, wait_until
from page import Page

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = "raw/fpi05_<script>alert(1)</script>&\"'.txt"


@pytest.fixture
def page(orch):
    """A daemon that has analysed one night, and has half of another."""
    prepare(orch)
    (orch.root / "jobs" / "lab.yaml").write_text("assets:\n  lab: {type: exec, command: ['true'], partition: 'lab/{observation_date}'}\n")
    orch.config.write_text(orch.config.read_text() + "\nweb: {listen: '127.0.0.1:0', title: 'Test <lab>'}\n")
    send(orch, night("minime05", "20260407"))
    orch.start()
    orch.tick()
    runs = wait_until(lambda: [r for r in orch.runs() if r["state"] == "succeeded"], "the night is done")
    half = night("minime05", "20260408")
    send(orch, half, skip=("000000",))
    orch.put(HOSTILE, b"x")
    orch.tick()
    orch.wait_run(orch.ctl("materialize", "lab", "--detach", "-s", "observation_date=20260101")["run"])
    shown = Page(orch)
    shown.run = runs[0]
    return shown


def links(html):
    return {u for u in re.findall(r'(?:href|src)="(/[^"]*)"', html)}


def test_every_screen_and_link(orch, page):
    """Every link of every page leads somewhere; no page has script, style or markup from data inside."""
    todo, seen = {"/"}, set()
    while todo and len(seen) < 120:
        path = todo.pop()
        seen.add(path)
        status, headers, body = page.get(path.replace("&amp;", "&"))
        assert status == 200, f"{path}: {status}"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        if not headers["Content-Type"].startswith("text/html"):
            continue
        html = body.decode()
        assert "<script>" not in html and " style=" not in html and " onload" not in html, path
        assert "<lab>" not in html and "Test &lt;lab&gt;" in html
        todo |= links(html) - seen
    for prefix in ("/nights", "/runs/", "/queue", "/assets/", "/sensors/", "/deletions", "/partition/", "/picture/"):
        assert any(p.startswith(prefix) for p in seen), prefix


def test_numbers_are_those_of_orchctl(orch, page):
    for path, args in (("runs", ("runs", "list")), ("assets", ("assets", "list")), (f"runs/{page.run['id']}", ("runs", "show", page.run["id"])),
                       (f"sensors/{SENSOR}/keys", ("sensors", "keys", SENSOR))):
        api, ctl = page.json(f"/api/v1/{path}"), orch.ctl(*args)
        assert {k: v for k, v in api.items()} == {k: ctl[k] for k in api}, path
    html = page.text(f"/runs/{page.run['id']}")
    for step in orch.show(page.run["id"])["steps"]:
        assert f'href="/assets/{step["asset"]}"' in html and step["attempts"][0]["started_at"] in html
    keys = page.text(f"/sensors/{SENSOR}")
    for key, (verdict, reason) in orch.verdicts().items():
        escaped = key.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("'", "&#39;")
        assert f"<code>{escaped}</code>" in keys, key


def test_nights(orch, page):
    obj = page.json("/api/v1/nights?days=7")
    cells = {(r["name"], d): c for r in obj["rows"] for d, c in r["cells"].items()}
    done = page.run["partition"].replace("/20260407/", "/")
    assert cells[done, "20260407"]["state"] == page.run["outcome"] and cells[done, "20260407"]["raw"] == "deleted"
    half = cells[done, "20260408"]
    assert half["state"] == "pending" and re.fullmatch(r"\d+ of \d+ pieces", half["text"])
    assert obj["dates"][0] == "20260408" and len(obj["dates"]) == 7
    # Nobody has run for this instrument yet: its upload says where it belongs; a name that does not is told as it is.
    send(orch, night("minime07", "20260408"), skip=("000000",))
    orch.put("raw/fpi07_eku_20260407.txt", "no check file")
    orch.tick()
    new = next(r for r in page.json("/api/v1/nights?days=6")["rows"] if r["name"] == "eku/minime07")
    assert new["newest"] == "20260408"
    assert new["cells"]["20260408"]["state"] == "pending" and new["cells"]["20260408"]["key"] == "raw/fpi07_eku_20260408.txt"
    assert new["cells"]["20260407"]["state"] == "invalid" and new["cells"]["20260407"]["partition"] is None
    orch.ctl("hold", page.run["partition"])
    held = page.json("/api/v1/nights?days=8")["rows"]
    assert next(r for r in held if r["name"] == done)["cells"]["20260407"]["raw"] == "held"
    assert "is held by" in page.text(f"/partition/{page.run['partition']}")
    assert page.get("/api/v1/nights?until=yesterday")[0] == 400
    older = next(r for r in page.json("/api/v1/nights?days=1")["rows"] if r["name"] == "lab")
    assert older["newest"] == "20260101" and older["cells"]["20260101"]["state"] == "ok", "also where it is not shown"
    assert page.json("/api/v1/nights?until=20260401")["dates"][0] == "20260401"


def test_pictures_of_a_store_that_cannot_be_asked(orch, page):
    partition = f"/partition/{page.run['partition']}"
    assert '<div class="pictures">' in page.text(partition)
    orch.store.rename(orch.root / "away")
    orch.store.write_text("not a folder")
    orch.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: "They cannot be shown now" in page.text(partition), "the page says why there are none")
    orch.store.unlink()
    (orch.root / "away").rename(orch.store)
    orch.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: '<div class="pictures">' in page.text(partition), "they are back")


def test_commands_can_be_pasted(orch, page):
    """What the page says to type is one word to a shell, whatever the name."""
    name = "uao/it's $(touch gone)"
    orch.ctl("hold", name)
    html = page.text("/partition/uao/it%27s%20%24(touch%20gone)")
    command = re.search(r"<code>orchctl why (.*?)</code>", html)[1].replace("&#39;", "'")
    done = orch.run("sh", "-c", f"printf %s {command}")
    assert done.stdout == name and not (orch.root / "gone").exists()
    assert "--from-failure" not in page.text(f"/partition/{page.run['partition']}"), "nothing of it has failed"


def test_a_night_that_kept_its_raw_data(orch):
    """Clean-up succeeds without deleting when the analysis came to nothing: the cell says kept, and what was wrong."""
    prepare(orch)
    orch.config.write_text(orch.config.read_text() + "\nweb: {listen: '127.0.0.1:0'}\n")
    send(orch, night("minime05", "20260407", "--laser", "0", "--clouds", "1"))
    orch.start()
    orch.tick()
    run = wait_until(lambda: [r for r in orch.runs() if r["state"] == "succeeded"], "the run has ended")[0]
    cleaned = orch.steps(run["id"])["cleanup"]["metadata"]
    row = Page(orch).json("/api/v1/nights?days=1")["rows"][0]
    cell = row["cells"]["20260407"]
    assert run["outcome"] == "warnings" and cleaned["deleted"] == 0
    assert cell["raw"] == "kept" and cell["text"].startswith("error:")


def test_a_failure_that_was_made_good(orch):
    """The first page is red as long as somebody has something to do, and not for the rest of the day."""
    prepare(orch)
    (orch.root / "jobs" / "flaky.yaml").write_text(
        f"assets:\n  flaky: {{type: exec, command: [test, -e, '{orch.root}/mended'], retries: 0}}\n"
        "jobs:\n  flaky_job: {assets: [flaky], partition: 'lab/{observation_date}'}\n")
    orch.config.write_text(orch.config.read_text() + "\nweb: {listen: '127.0.0.1:0'}\n")
    page = Page(orch.start())

    def launch(date):
        return orch.wait_run(orch.ctl("launch", "flaky_job", "--detach", "-s", f"observation_date={date}")["run"])

    def told(html):
        return re.search(r'class="verdict (\w+)".*?</section>', html, re.S)

    first, second = launch("20260407"), launch("20260408")
    assert first["state"] == second["state"] == "failed"
    found = told(page.text("/"))
    assert found[1] == "bad" and "2 runs failed in the last day and were not made good since." in found[0]
    (orch.root / "mended").touch()
    assert orch.wait_run(orch.ctl("runs", "retry", first["id"], "--detach")["run"])["state"] == "succeeded"
    wait_until(lambda: "1 run failed in the last day and was not made good since." in told(page.text("/"))[0], "one is left")
    assert launch("20260408")["state"] == "succeeded"
    wait_until(lambda: told(page.text("/"))[1] == "good", "all is well again")
    status = orch.ctl("status")
    assert status["failed_last_day"] == 2 and status["failed_unmended"] == 0
    assert "2 failed in the last 24 hours, 0 not made good since" in orch.text("status")


def test_pictures_only_what_the_run_named(orch, page):
    html = page.text(f"/runs/{page.run['id']}")
    shown = sorted(u for u in links(html) if u.startswith("/picture/"))
    assert len(shown) == 3
    for path in shown:
        status, headers, body = page.get(path)
        assert status == 200 and headers["Content-Type"] == "image/png" and body.startswith(PNG)
        assert body in [orch.read(k) for k in orch.keys() if k.endswith(".png")]
    orch.put("secret/other.png", PNG + b"x")
    number = page.run["id"]
    for path in (f"/picture/{number}/secret/other.png", f"/picture/{number}/../../orch.yaml", f"/picture/{number}/%2e%2e/x.png",
                 "/picture/999/x.png", "/picture/x/y.png", f"/picture/{number}/{orch.keys('results/')[0]}"):
        assert page.get(path)[0] == 404, path


def test_machine_side(orch, page):
    assert page.text("/livez") == "loop: ok\n"
    assert "sensors: ok" in page.text("/readyz")
    tree.fromstring(page.text("/feed.atom"))
    assert ">ok</text>" in page.text("/badge/analyze.svg")
    tree.fromstring(page.text("/badge/analyze.svg"))
    assert page.get("/badge/nothing.svg")[0] == 404
    assert page.get("/nowhere")[0] == 404 and page.get("/runs/999")[0] == 404 and page.get("/runs/1x")[0] == 404
    assert page.get("/healthz?verbose")[0] == 200 and "sensors: ok" in page.text("/healthz")
    for path in ("/runs?state=nope", "/outbox?state=nope", f"/sensors/{SENSOR}?verdict=nope", "/api/v1/runs?state=nope"):
        status, _, body = page.get(path)
        assert status == 400 and b"is none of" in body, path
    status, headers, body = page.get("/no<b>/where")
    assert status == 404 and headers["Content-Type"].startswith("text/html") and b"There is no page at /no&lt;b&gt;/where." in body
    status, headers, body = page.get("/api/v1/no\"where")
    assert status == 404 and headers["Content-Type"] == "application/json" and json.loads(body)["error"]["code"] == "not_found"
    assert page.get("/", Host="evil.example")[0] == 421


def test_reloads(orch, page):
    """What has not changed is not sent again; what is sent may be packed; and it is the same page whatever the form."""
    for path in ("/", "/runs", "/sensors", f"/runs/{page.run['id']}", "/api/v1/runs", "/feed.atom", "/badge/analyze.svg"):
        def again():
            status, headers, body = page.get(path, Accept_Encoding="gzip")
            assert status == 200 and headers["Cache-Control"] == "private, no-cache" and headers["Vary"] == "Accept-Encoding"
            text = gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body
            assert len(body) == int(headers["Content-Length"]) and len(text) < 1024 or len(body) < len(text) / 2
            head = page.get(path, Accept_Encoding="gzip", method="HEAD")
            plain = page.get(path)
            same = page.get(path, If_None_Match=headers["ETag"])
            # All of it unless the minute turned in between, or something happened.
            return (same[0] == 304 and same[2] == b"" and same[1]["ETag"] == headers["ETag"] == plain[1]["ETag"] == head[1]["ETag"]
                    and head[2] == b"" and int(plain[1]["Content-Length"]) == len(plain[2])
                    and text.split(b"<footer>")[0] == plain[2].split(b"<footer>")[0])
        wait_until(again, f"{path} is the same in every form")
    for path in ("/nothing", "/runs/999"):
        status, headers, _ = page.get(path, If_None_Match="*")
        assert status == 404 and headers["Cache-Control"] == "no-store" and "ETag" not in headers


def test_never_older_than_it_says(orch, page):
    """A page is at most half a second older than the state, however often it is read, and says of when it is."""
    for n in range(5):
        old = page.get("/deletions")
        orch.ctl("hold", f"uao/2026041{n}")
        done = time.monotonic()
        asked, shown = done, False
        while asked < done + 0.5 or not shown:
            asked, wall = time.monotonic(), time.time()
            status, _, body = page.get("/deletions", If_None_Match=old[1]["ETag"])
            shown = status == 200 and f"uao/2026041{n}".encode() in body
            assert shown or asked < done + 0.5, "older than half a second"
            if status == 200:
                as_of = re.search(rb'id="as-of" datetime="([^"]+)"', body)[1].decode()
                assert datetime.datetime.fromisoformat(as_of.replace("Z", "+00:00")).timestamp() > wall - 1


def test_live_events(orch, page):
    connection = http.client.HTTPConnection(page.where, timeout=60)
    connection.request("GET", "/events")
    stream = connection.getresponse()
    assert stream.status == 200 and stream.headers["Content-Type"].startswith("text/event-stream")
    number = orch.ctl("runs", "retry", page.run["id"], code=None)
    kinds, states = set(), set()
    while not states & {"succeeded", "failed", "canceled"}:
        line = stream.readline().decode()
        assert line, f"the stream ended early: {kinds}, {number}"
        if line.startswith("data: "):
            event = json.loads(line[6:])
            kinds.add(event["kind"])
            if event["kind"] == "run":
                states.add(event["data"].get("state"))
    assert {"run", "step"} <= kinds
    connection.close()
