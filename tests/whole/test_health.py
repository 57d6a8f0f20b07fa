"""What programs ask about the daemon: alive, ready and why not; the feed of failures; badges."""

import datetime
import http.client
import os
import re
import signal
import sqlite3
import time
import xml.etree.ElementTree as tree

import pytest

from orch import SENSOR, wait_until
from page import Page, daemon_that_knows_everything

ATOM = "{http://www.w3.org/2005/Atom}"
SVG = "{http://www.w3.org/2000/svg}"
of_one_daemon = pytest.mark.xdist_group("health")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with daemon_that_knows_everything(tmp_path_factory.mktemp("health")) as orch:
        yield orch


@pytest.fixture
def small(orch):
    """A daemon with a sensor, an asset that is late, and one that takes its time."""
    orch.configure("""
state_dir: ./state
web: {listen: '127.0.0.1:0'}
limits: {drain: 30s}
stores:
  data: {type: dir, path: ./store}
sensors:
  uploads:
    type: chunked_upload
    store: data
    part: '^(?<date>\\d{8})\\.(?<part>\\d{6})$'
    check_file: '{date}.txt'
    run_key: '{date}'
    job: night
    every: 1h
    timeout: 1s
assets:
  quick: {type: exec, command: ['true'], fresh_within: 1h}
  slow: {type: exec, command: [sleep, '3600'], grace: 100ms}
jobs:
  night: {assets: [slow]}
""")
    orch.start()
    orch.tick("uploads")
    orch.page = Page(orch)
    return orch


def ready(orch, path="/readyz"):
    """status, {check: (word, reason)}"""
    status, headers, body = orch.page.get(path)
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = re.findall(r"(?m)^(\w+): (ok|failed)(?:: (.*))?$", body.decode())
    assert len(lines) == len(body.decode().splitlines())
    return status, {name: (word, reason) for name, word, reason in lines}


def write(orch, sql, *values):
    with sqlite3.connect(orch.root / "state" / "state.db", timeout=30) as db:
        db.execute(sql, values)
    db.close()


def badge(orch, name):
    """As it is now: the page keeps what it made for half a second."""
    return orch.page.text(f"/badge/{name}.svg?{time.monotonic_ns()}")


def test_all_is_well(small):
    assert ready(small, "/livez") == (200, {"loop": ("ok", "")})
    status, checks = ready(small)
    assert status == 200 and checks == {name: ("ok", "") for name in ("loop", "journal", "sensors", "work")}
    status, checks = ready(small, "/readyz?verbose")
    assert status == 200 and all(reason for _, reason in checks.values())
    assert re.match(r"\d+ commits, 0 failed", checks["journal"][1])


def test_a_late_sensor(small):
    # As if nobody had looked for ten minutes; the daemon's own plan is in its memory.
    due = int((time.time() - 600) * 1000)
    write(small, "UPDATE sensor SET next_tick_at = ? WHERE name = 'uploads'", due)
    status, checks = ready(small)
    assert status == 503 and checks["sensors"][0] == "failed" and re.fullmatch(r"uploads is late by 4\d\d s", checks["sensors"][1])
    assert [n for n, (word, _) in checks.items() if word == "failed"] == ["sensors"]
    assert ready(small, "/livez")[0] == 200, "no reason to be restarted"
    assert ">late</text>" in badge(small, "uploads")
    small.ctl("sensors", "pause", "uploads")
    assert ready(small)[0] == 200, "a paused sensor is not late"
    assert ">paused</text>" in badge(small, "uploads")


def test_commits_that_fail(small):
    blocker = sqlite3.connect(small.root / "state" / "state.db", timeout=30, isolation_level=None)
    try:
        blocker.execute("BEGIN IMMEDIATE")
        # Not awaited: it waits for the commit as well.
        failed = wait_until(lambda: attempt_to_commit(small) and ready(small)[0] == 503, "a commit has failed", pause=0.2)
        assert failed
        status, checks = ready(small)
        assert status == 503 and checks["journal"] == ("failed", "a commit failed in the last minute")
    finally:
        blocker.close()
    small.tick("uploads")
    assert "orchd_journal_commit_failures_total 0\n" not in small.page.text("/metrics")


def attempt_to_commit(orch):
    return orch.orchctl("sensors", "pause", "uploads", code=None)


def test_a_loop_that_stands(small):
    """The request is there before the daemon goes on; what it says then is about the time it stood."""
    os.kill(small.daemon.pid, signal.SIGSTOP)
    try:
        connection = http.client.HTTPConnection(small.page.where, timeout=60)
        connection.request("GET", "/livez")
        time.sleep(2.5)  # the limit is 2 s; this is the condition, not a wait for one
    finally:
        os.kill(small.daemon.pid, signal.SIGCONT)
    answer = connection.getresponse()
    body = answer.read().decode()
    assert answer.status == 503 and body.startswith("loop: failed: "), body
    connection.close()
    wait_until(lambda: ready(small, "/livez")[0] == 200, "the loop turns again")


def test_a_daemon_that_stops(small):
    small.ctl("launch", "night", "--detach")
    wait_until(lambda: small.runs(state="running"), "the step runs")
    small.daemon.send_signal(signal.SIGTERM)
    status, checks = wait_until(lambda: (found := ready(small))[0] == 503 and found, "it is not ready any more")
    assert checks["work"] == ("failed", "the daemon is stopping") and ready(small, "/livez")[0] == 200
    small.daemon.send_signal(signal.SIGTERM)
    small.daemon.wait(30)
    small.daemon = None


def test_an_asset_that_should_have_been_made(small):
    assert ">never made</text>" in badge(small, "quick")
    small.ctl("materialize", "quick", "--wait")
    assert ">ok</text>" in badge(small, "quick") and 'orchd_asset_late{asset="quick"} 0' in small.page.text("/metrics")
    write(small, "UPDATE materialization SET at = at - 7200000")
    assert 'orchd_asset_late{asset="quick"} 1' in small.page.text("/metrics")
    assert 'asset="slow"' not in "".join(re.findall("orchd_asset_late.*", small.page.text("/metrics"))), "nobody expects it"
    row = {a["name"]: a for a in small.ctl("assets", "list")["assets"]}["quick"]
    assert row["fresh_within_ms"] == 3600000 and 3600000 <= row["late_ms"] < 3700000
    assert ">late</text>" in badge(small, "quick")
    assert "Asset quick was to be made every 1 hour" in small.page.text("/?again")
    assert ready(small)[0] == 200, "work that is late does not make the daemon unfit"


# ---- badges

@of_one_daemon
def test_badges(lab):
    made = {asset: step["outcome"] for asset, step in lab.steps(lab.done["id"]).items()}
    assert set(made.values()) == {"ok", "warnings"}
    words = [(asset, outcome, {"ok": "#2a7d4f", "warnings": "#9a6200"}[outcome]) for asset, outcome in made.items()]
    for name, word, colour in (*words, ("delete_raw", made["cleanup"], None), ("broken", "failed", "#b3382c"), ("after", "never made", "#666"),
                               (SENSOR, "paused", "#666")):
        status, headers, body = lab.page.get(f"/badge/{name}.svg")
        assert status == 200 and headers["Content-Type"] == "image/svg+xml", name
        picture = tree.fromstring(body)
        assert picture.tag == f"{SVG}svg" and [t.text for t in picture.iter(f"{SVG}text")][1] == word, name
        assert colour is None or colour in {r.get("fill") for r in picture.iter(f"{SVG}rect")}, f"{name} is {word}, not in its colour"
        assert picture.get("role") == "img" and picture.get("aria-label").endswith(word) and picture.find(f"{SVG}title") is not None
        assert float(picture.get("width")) > 0
    for name in ("nothing.svg", "analyze", "analyze.png", ".svg", "%3Cscript%3E.svg", "analyze.svg.svg"):
        status, _, body = lab.page.get(f"/badge/{name}")
        assert status == 404 and b"<script>" not in body, name


# ---- the feed

RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"


def check_feed(text, host):
    """What RFC 4287 asks of a feed and its entries; the entries."""
    feed = tree.fromstring(text)
    assert feed.tag == f"{ATOM}feed"
    allowed = {"id", "title", "updated", "author", "link", "generator", "category", "summary", "entry"}
    for element in feed.iter():
        assert element.tag.removeprefix(ATOM) in allowed | {"name", "feed"}, element.tag
    for thing in [feed, *feed.findall(f"{ATOM}entry")]:
        for name in ("id", "title", "updated"):
            assert len(thing.findall(ATOM + name)) == 1 and thing.find(ATOM + name).text, name
        assert re.fullmatch(RFC3339, thing.find(f"{ATOM}updated").text)
        datetime.datetime.fromisoformat(thing.find(f"{ATOM}updated").text.replace("Z", "+00:00"))
        assert re.fullmatch(r"urn:[a-z0-9]+:[A-Za-z0-9:._-]+", thing.find(f"{ATOM}id").text)
        links = thing.findall(f"{ATOM}link")
        pairs = [(link.get("rel", "alternate"), link.get("type")) for link in links]
        assert "alternate" in {rel for rel, _ in pairs} and len(set(pairs)) == len(pairs)
        assert all(link.get("href").startswith(f"http://{host}/") for link in links)
    assert feed.find(f"{ATOM}author/{ATOM}name").text and feed.find(f"{ATOM}link[@rel='self']") is not None
    entries = feed.findall(f"{ATOM}entry")
    ids = [e.find(f"{ATOM}id").text for e in entries]
    assert len(ids) == len(set(ids)) and feed.find(f"{ATOM}id").text not in ids
    if entries:
        assert feed.find(f"{ATOM}updated").text == max(e.find(f"{ATOM}updated").text for e in entries)
    return entries


@of_one_daemon
def test_feed(lab):
    status, headers, body = lab.page.get("/feed.atom")
    assert status == 200 and headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    (entry,) = check_feed(body, lab.page.where)
    run = lab.show(lab.failed)
    assert entry.find(f"{ATOM}id").text == f"urn:orchd:run:{run['uid']}" and entry.find(f"{ATOM}updated").text == run["ended_at"]
    assert entry.find(f"{ATOM}title").text == "broken_job of uao/20260409 failed" and "exit code 1" in entry.find(f"{ATOM}summary").text
    href = entry.find(f"{ATOM}link").get("href")
    assert lab.page.get(href.removeprefix(f"http://{lab.page.where}"))[0] == 200
    # The host is the request's, and only one that is allowed.
    port = lab.page.where.rsplit(":", 1)[1]
    check_feed(lab.page.get("/feed.atom", Host=f"localhost:{port}")[2], f"localhost:{port}")
    assert lab.page.get("/feed.atom", Host="evil.example")[0] == 421


def test_a_feed_without_news_does_not_change(small):
    first = small.page.text("/feed.atom")
    assert check_feed(first, small.page.where) == []
    small.ctl("materialize", "quick", "--wait")
    assert small.page.text("/feed.atom?") == first
