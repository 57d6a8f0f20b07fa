"""Every screen, read in Chromium, says what `orchctl --json` says: the same rows, words, times and numbers."""

import json
import pathlib
import shutil
import tempfile

import pytest

from browser import Browser, missing
from orch import SENSOR, wait_until
from page import daemon_that_knows_everything

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not installed: {' '.join(missing())}")

# {caption: rows of cells}, each cell as people see it; the shape before a word is for the eye alone.
TABLES = """Object.fromEntries(Array.from(document.querySelectorAll('table')).map(t => [t.caption.textContent, Array.from(t.tBodies[0].rows)
    .map(r => Array.from(r.cells).map(c => { const d = c.cloneNode(true); d.querySelectorAll('[aria-hidden]').forEach(e => e.remove());
                                             return d.textContent.replace(/\\s+/g, ' ').trim(); }))]))"""


@pytest.fixture(scope="module")
def orch():
    root = pathlib.Path(tempfile.mkdtemp(prefix="orchd-test-numbers-"))
    with daemon_that_knows_everything(root) as known:
        yield known
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def browser():
    one = Browser()
    one.look(1280)
    yield one
    one.close()


class Screen:
    def __init__(self, orch, browser, path):
        browser.open(orch.page.url + path)
        self.tables = browser.js(TABLES)
        self.js = browser.js
        self.text = browser.js("document.querySelector('main').innerText")

    def columns(self, caption, *numbers):
        return [tuple(row[i] for i in numbers) for row in self.tables[caption]]

    def facts(self):
        """Every term with its definition."""
        return self.js("Object.fromEntries(Array.from(document.querySelectorAll('main > section > dl > dt')).map("
                       "t => [t.textContent, t.nextElementSibling.textContent.trim()]))")


def time(iso):
    return iso[:19].replace("T", " ") if iso else "-"


def word(run):
    return run["state"] if run["outcome"] in (None, "ok") else run["outcome"]


def run_row(run):
    return str(run["id"]), word(run), run["job"], run["partition"], time(run["started_at"])


def runs(orch, browser):
    screen = Screen(orch, browser, "runs")
    known = orch.runs()
    assert len(known) == 2 and screen.columns("Runs, newest first", 0, 1, 2, 3, 4) == [run_row(r) for r in known]
    screen = Screen(orch, browser, "runs?state=failed")
    assert screen.columns("Runs, newest first", 0, 1) == [(str(orch.failed), "failed")]


def run(orch, browser):
    for number in (orch.done["id"], orch.failed):
        screen, known = Screen(orch, browser, f"runs/{number}"), orch.show(number)
        tries = [(s["asset"], a["outcome"], str(a["n"]), time(a["started_at"])) for s in known["steps"] for a in s["attempts"]]
        skipped = [(s["asset"], "skipped", "", "") for s in known["steps"] if not s["attempts"]]
        assert tries and screen.columns("Steps and their tries", 0, 1, 2, 3) == tries + skipped
        assert screen.columns("Events of the run", 0, 2, 3) == [(time(e["at"]), e["kind"], e["text"]) for e in known["events"]]
        facts = screen.facts()
        assert facts["Run it again"] == f"orchctl runs retry {number}"
        assert all(facts[k] == v for k, v in known["config"].items())
        assert facts.get("Generation") == known["generation"]
        assert {k[len("Identity of "):]: v for k, v in facts.items() if k.startswith("Identity of ")} == {
            s["asset"]: s["run_uid"] + (f", code version {s['code_version']}" if s["code_version"] else "") for s in known["steps"] if s["run_uid"]}
    assert "no luck" in screen.text and "no luck" in orch.text("runs", "logs", orch.failed), "what the step wrote"


def nights(orch, browser):
    screen, known = Screen(orch, browser, "nights"), orch.page.json("/api/v1/nights?days=21")
    caption = "Nights, newest first, by who sends them"
    rows = screen.tables[caption]
    assert rows and [r[0] for r in rows] == [f"{r['standing']} {r['name']}" for r in known["rows"]]
    titles = browser.js("Array.from(document.querySelectorAll('.cell > *')).map(c => c.title)")
    for row in known["rows"]:
        for date in known["dates"]:
            cell = row["cells"].get(date)
            title = next(t for t in titles if t.startswith(f"{row['name']} {date}: "))
            assert (cell["state"].replace("_", " ") if cell else "no upload") in title
            assert not cell or ((cell["text"] or "") in title and (cell["raw"] or "") in title)
    done = next(r for r in known["rows"] if r["name"] == "uao/minime05")
    assert done["cells"]["20260407"]["run"] == orch.done["id"] and done["cells"]["20260408"]["state"] == "pending"


def partition(orch, browser):
    screen, known = Screen(orch, browser, f"partition/{orch.done['partition']}"), orch.ctl("why", orch.done["partition"])
    made = [(a["name"], a["outcome"] or "", time(a["at"]), f"run {a['run']}") for a in known["assets"]]
    assert made and screen.columns("Assets of this partition", 0, 1, 2, 3) == made
    assert screen.columns("Runs, newest first", 0, 1, 2, 3, 4) == [run_row(r) for r in known["runs"]]
    key, = known["keys"]
    assert screen.columns("Keys and what was decided about each", 0, 1, 2) == [(key["key"], key["verdict"], f"{key['present']} of {key['expected']}")]
    story = browser.js("Array.from(document.querySelectorAll('.story li')).map(l => l.textContent.replace(/\\s+/g, ' ').trim())")
    assert [s.replace(" ", "") for s in story] == [line.replace(" ", "") for line in known["lines"]]


def assets(orch, browser):
    screen, known = Screen(orch, browser, "assets"), orch.ctl("assets", "list")["assets"]
    newest = [(a["name"], a["type"], a["last"]["outcome"], a["last"]["partition"]) if a["last"] else (a["name"], a["type"], "never made", "") for a in known]
    assert screen.columns("Assets, in the order of their making", 0, 1, 2, 3) == newest
    drawn = browser.js("Array.from(document.querySelectorAll('.graph .name')).map(n => n.textContent)")
    assert sorted(drawn) == sorted(a["name"] for a in known)
    assert browser.js("document.querySelectorAll('.graph .edge').length") == sum(len(a["deps"]) for a in known)


def asset(orch, browser):
    screen, known = Screen(orch, browser, "assets/analyze"), orch.ctl("assets", "show", "analyze")
    made = [(m["partition"], m["outcome"], time(m["at"]), f"run {m['run']}", m["freshness"]["state"]) for m in known["materializations"]]
    assert made and screen.columns("What was made of it, newest first", 0, 1, 2, 3, 4) == made
    sparks = browser.js("Object.fromEntries(Array.from(document.querySelectorAll('.spark')).map("
                        "f => [f.querySelector('figcaption').textContent, +f.querySelector('b').textContent]))")
    assert sparks == {k: v for k, v in known["materializations"][0]["metadata"].items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    facts = screen.facts()
    assert facts["Type"] == known["type"] and facts["Retries"] == str(known["retries"]) and facts["Made from"] == ", ".join(known["deps"])
    drawn = browser.js("Array.from(document.querySelectorAll('.graph .name')).map(n => n.textContent)")
    assert sorted(drawn) == ["analyze", "cleanup", "unzip"], "what hangs together with it, and nothing else"


def sensors(orch, browser):
    screen, known = Screen(orch, browser, "sensors"), orch.ctl("sensors", "list")["sensors"]
    chips = browser.js("Array.from(document.querySelectorAll('.choices a')).map(a => a.textContent.replace(/[^\\w ]/g, '').replace(/\\s+/g, ' ').trim())")
    assert chips == [f"{n} {v.replace('_', ' ')}" for v, n in known[0]["keys"].items()] and "by root" in screen.text
    assert screen.facts()["Last tick"].startswith(time(known[0]["last_tick_at"]))


def sensor(orch, browser):
    screen = Screen(orch, browser, f"sensors/{SENSOR}")
    ticks, keys = orch.ctl("sensors", "ticks", SENSOR)["ticks"], orch.ctl("sensors", "keys", SENSOR)["keys"]
    assert screen.columns("Ticks, newest first; equal ones in a row are one line", 0, 1, 2, 3, 4) == [
        (time(t["first_at"]), time(t["last_at"]), f"{t['n']} ×", t["outcome"], str(t["requested"])) for t in ticks]
    shown = screen.columns("Keys and what was decided about each", 0, 1, 5)
    assert shown == [(k["key"], k["verdict"].replace("_", " "), k["reason"]) for k in keys if not k["gone_at"]]
    assert browser.js("document.querySelectorAll('.strip rect').length") == len(ticks)


def schedules(orch, browser):
    known, = orch.ctl("schedules", "list")["schedules"]
    times = [(time(t["at"]), t["local"]) for t in known["schedule"]["next"]]
    for path in ("schedules", f"sensors/{known['name']}"):
        screen = Screen(orch, browser, path)
        assert times and screen.columns("Its next times", 0, 1) == times and known["schedule"]["text"] in screen.text


def queue(orch, browser):
    screen, known, status = Screen(orch, browser, "queue"), orch.page.json("/api/v1/queue"), orch.ctl("status")["runs"]
    full = dict(screen.columns("Limits and how much of them is in use", 0, 2))
    assert full.pop("runs at once") == f"{status['running']} of {known['limits']['max_runs']}"
    assert full.pop("runs that may wait") == f"{status['queued']} of {known['limits']['max_queued']}"
    assert full.pop("steps at once") == f"{known['steps_running']} of {known['limits']['max_steps']}"
    assert full == {f"pool {p['name']}": f"{p['used']} of {p['slots']}" for p in known["pools"]} and full
    assert "Nothing runs." in screen.text and not known["steps"]


def deletions(orch, browser):
    screen, holds = Screen(orch, browser, "deletions"), orch.ctl("hold")["holds"]
    assert screen.columns("Partitions on hold", 0, 1, 2, 3) == [(h["partition"], time(h["at"]), h["who"], h["reason"]) for h in holds]
    cleaned = orch.steps(orch.done["id"])["cleanup"]
    line = browser.js("document.querySelector('.deletion summary').textContent")
    assert orch.done["partition"] in line and f"{cleaned['metadata']['deleted']} deleted" in line and cleaned["metadata"]["deleted"] > 0
    stages = browser.js("Array.from(document.querySelectorAll('.deletion .proof > li > b')).map(b => b.textContent)")
    evidence = json.loads((orch.root / "state" / "runs" / str(orch.done["id"]) / "cleanup" / "ledger" / "evidence.json").read_text())
    assert stages == [e["stage"] for e in evidence] and "DURABLE" in stages, "a link of the chain for each piece of evidence"


def outbox(orch, browser):
    screen, known = Screen(orch, browser, "outbox"), orch.ctl("outbox", "list")
    assert screen.columns("Notifications", 0, 1, 3, 4, 5) == [
        (n["name"], n["type"], str(n["pending"]), str(n["sent"]), str(n["failed"])) for n in known["notifications"]]
    assert screen.columns("Notifications, newest first", 0, 2, 3, 5, 6) == [
        (str(r["id"]), r["notification"], r["kind"], time(r["created_at"]), str(r["attempts"])) for r in known["rows"]] and known["rows"]


def audit(orch, browser):
    screen, known = Screen(orch, browser, "audit"), orch.ctl("audit", "--last", code=None)
    facts = screen.facts()
    for name, member in (("Manifests", "manifests"), ("Objects", "objects"), ("Effect rows", "effects"), ("Row counts", "tables"),
                         ("Uploads", "keys"), ("Deletions", "deletions")):
        assert facts[name] == str(known["checked"][member]), name
    row = screen.columns("Audits, newest first", 5, 6, 7, 8, 9)[0]
    assert row == tuple(str(known["found"][k]) for k in ("missing", "mismatched", "unknown", "extra", "leftover"))


@pytest.mark.parametrize("check", [runs, run, nights, partition, assets, asset, sensors, sensor, schedules, queue, deletions, outbox, audit])
def test_screen(orch, browser, check):
    """The state may move between two looks (a notification is tried again): what must agree does so on the next."""
    def agrees():
        try:
            check(orch, browser)
        except AssertionError as e:
            agrees.why = e
            return False
        return True
    try:
        wait_until(agrees, "the page and orchctl agree", timeout=5)
    except AssertionError as e:
        raise agrees.why from e
