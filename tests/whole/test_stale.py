"""Why what was made is not what would be made now: told by orchctl, the API and the page alike."""

import hashlib
import json
import signal
import sqlite3

import pytest

from orch import wait_until
from page import Page

HEAD = """
state_dir: ./state
web: {{listen: '127.0.0.1:0'}}
limits: {{drain: 200ms}}
assets:
  frames: {{type: exec, command: ['true'], retries: 0, partition: '{{night}}'}}
  spectra: {{type: exec, command: [sh, '{root}/work.sh', '{option}'], deps: [frames], retries: 0, partition: '{{night}}'}}
  means: {{type: exec, command: ['true'], deps: [spectra], retries: 0, partition: '{{night}}'}}
jobs:
  night_job: {{assets: [frames, spectra, means], partition: '{{night}}'}}
"""


@pytest.fixture
def made(orch):
    """A chain of three, made once."""
    (orch.root / "work.sh").write_text("exit 0\n")
    orch.configure(HEAD.format(root=orch.root, option="first")).start()
    orch.wait_run(orch.ctl("launch", "night_job", "--detach", "-s", "night=a/b")["run"])
    return orch


def again(orch, asset, state="succeeded"):
    run = orch.ctl("materialize", asset, "--detach", "-s", "night=a/b")["run"]
    assert orch.wait_run(run)["state"] == state
    return run


def freshness(orch, asset):
    """state and codes, the same from each side"""
    page = Page(orch)
    told = orch.ctl("assets", "show", asset)
    newest = told["materializations"][0]["freshness"]
    assert newest == told["last"]["freshness"]

    # A page may be half a second old: it is waited for.
    def of_partition():
        return {a["name"]: a["freshness"] for a in page.json("/api/v1/why/a/b")["assets"]}[asset]
    wait_until(lambda: page.json(f"/api/v1/assets/{asset}")["last"]["freshness"] == newest and of_partition() == newest, f"the API says {newest}")
    for path in (f"/assets/{asset}", "/partition/a/b"):
        wanted = [f"</b> {newest['state']}</span>", *(r["text"] for r in newest["reasons"])]
        wait_until(lambda p=path, w=wanted: all(text in page.text(p) for text in w), f"{path} says {wanted}")
    assert all(r["text"] in orch.text("assets", "show", asset) for r in newest["reasons"])
    return newest["state"], [r["code"] for r in newest["reasons"]]


def test_current(made):
    for asset in ("frames", "spectra", "means"):
        assert freshness(made, asset) == ("current", [])


def test_upstream_made_later(made):
    run = again(made, "frames")
    assert freshness(made, "frames") == ("current", [])
    assert freshness(made, "spectra") == ("stale", ["upstream_newer"])
    assert freshness(made, "means") == ("stale", ["upstream_stale"])
    reason = made.ctl("assets", "show", "spectra")["last"]["freshness"]["reasons"][0]
    assert reason["asset"] == "frames" and reason["run"] == run
    again(made, "spectra")
    assert freshness(made, "spectra") == ("current", [])
    assert freshness(made, "means") == ("stale", ["upstream_newer"])
    states = [m["freshness"]["state"] for m in made.ctl("assets", "show", "frames")["materializations"]]
    assert states == ["current", "replaced"]


def test_definition_changed(made):
    made.config.write_text(HEAD.format(root=made.root, option="second"))
    made.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: "second" in str(made.ctl("assets", "show", "spectra")["options"]), "the new configuration is in use")
    assert freshness(made, "frames") == ("current", [])
    assert freshness(made, "spectra") == ("stale", ["definition"])
    assert freshness(made, "means")[0] == "stale"
    again(made, "spectra")
    assert freshness(made, "spectra") == ("current", [])


def test_code_version(made):
    """A new version of the software makes nothing stale, a new version of what a type or a command does makes it so."""
    assert made.ctl("assets", "show", "spectra")["code_version"] == "1"
    made.config.write_text(HEAD.format(root=made.root, option="first").replace("deps: [frames]", "code_version: '2026b', deps: [frames]"))
    made.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: made.ctl("assets", "show", "spectra")["code_version"] == "1/2026b", "the new configuration is in use")
    assert freshness(made, "frames") == ("current", [])
    assert freshness(made, "spectra") == ("stale", ["code"])
    reason = made.ctl("assets", "show", "spectra")["last"]["freshness"]["reasons"][0]
    assert reason["text"] == "its code version is 1/2026b now, and was 1 in run 1"
    run = again(made, "spectra")
    assert freshness(made, "spectra") == ("current", [])
    assert made.show(run)["steps"][0]["code_version"] == "1/2026b"


def test_made_by_version_0_1_0(made):
    """Its steps have the software's version in their identity, and are known by it."""
    made.kill()
    options = {a: made.ctl("assets", "show", a)["options"] for a in ("frames", "spectra", "means")}
    uid, db = None, sqlite3.connect(made.root / "state" / "state.db", timeout=30)
    with db:
        for asset in options:
            identity = {"asset": asset, "type": "exec", "options": options[asset], "partition": "a/b", "config": {"night": "a/b"},
                        "generation": None, "upstream": [uid] if uid else [], "software": "0.1.0"}
            uid = hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
            done = db.execute("UPDATE step SET run_uid = ?, code_version = NULL WHERE asset = ?", (uid, asset))
            assert done.rowcount == 1
    db.close()
    made.start()
    for asset in options:
        assert freshness(made, asset) == ("current", [])
    made.config.write_text(HEAD.format(root=made.root, option="second").replace("{type: exec, command: ['true'], retries", "{type: exec, code_version: '2', command: ['true'], retries", 1))
    made.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: made.ctl("assets", "show", "frames")["code_version"] == "1/2", "the new configuration is in use")
    assert freshness(made, "frames") == ("stale", ["code"])
    assert freshness(made, "spectra") == ("stale", ["upstream_stale", "definition"])


def test_newest_try_failed(made):
    (made.root / "work.sh").write_text("exit 3\n")
    run = again(made, "spectra", "failed")
    assert freshness(made, "spectra") == ("stale", ["failed"])
    reason = made.ctl("assets", "show", "spectra")["last"]["freshness"]["reasons"][0]
    assert reason["run"] == run and "exit code 3" in reason["text"]
    (made.root / "work.sh").write_text("exit 0\n")
    again(made, "spectra")
    assert freshness(made, "spectra") == ("current", [])


def test_never_made(made):
    (made.root / "work.sh").write_text("exit 3\n")
    made.wait_run(made.ctl("launch", "night_job", "--detach", "-s", "night=a/c")["run"])
    told = {a["name"]: a["freshness"] for a in made.ctl("why", "a/c")["assets"]}
    assert told["frames"] == {"state": "current", "reasons": []}
    assert told["spectra"]["state"] == "missing" and [r["code"] for r in told["spectra"]["reasons"]] == ["missing", "failed"]
    assert [r["code"] for r in told["means"]["reasons"]] == ["missing", "skipped"]
