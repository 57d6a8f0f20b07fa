"""Notifications: what is told to whom, that it is told at least once, and that nobody's night hangs on it."""

import hashlib
import hmac
import json
import sqlite3
import threading

import pytest

from notify_servers import Webhook
from orch import BUILD, Failed, Upload, wait_until

CANARY = "CANARY-token-0123456789abcdef"
PASSWORD = "CANARY-password-9876543210"

HEAD = """
state_dir: ./state
limits: {{drain: 200ms}}
assets:
  work: {{type: exec, command: [sh, '{root}/work.sh'], retries: 0}}
jobs:
  night: {{assets: [work], partition: '{{site}}/{{date}}'}}
notifications:
"""

QUICK = "retry_delay: 20ms, retry_max_delay: 100ms"


def project(orch, notifications):
    orch.configure(HEAD.format(root=orch.root) + "\n".join(f"  {n}: {text}" for n, text in notifications.items()) + "\n")
    orch.env.update(NOTIFY_TOKEN=CANARY, NOTIFY_PASSWORD=PASSWORD)
    work(orch)
    return orch


def work(orch, warn=(), code=0):
    """What the next runs do: warn is [(label, text)]."""
    lines = []
    for label, text in warn:
        message = {"__dagster_pipes_version": "0.1", "method": "report_custom_message",
                   "params": {"payload": {"warning": {"label": label, "text": text}}}}
        lines.append(f"cat >>\"$ORCH_JOURNAL\" <<'EOF'\n{json.dumps(message)}\nEOF")
    (orch.root / "work.sh").write_text("\n".join([*lines, f"exit {code}", ""]))


def night(orch, site="uao", date="20260407", state="succeeded"):
    run = orch.ctl("launch", "night", "--detach", "-s", f"site={site}", "-s", f"date={date}")["run"]
    ended = orch.wait_run(run)
    assert ended["state"] == state, ended
    return run


def outbox(orch, state=None):
    return orch.ctl("outbox", "list", *(["--state", state] if state else []))["rows"]


def settled(orch, n):
    """The rows, once n of them are there and none waits."""
    def look():
        rows = outbox(orch)
        return rows if len(rows) == n and all(r["state"] != "pending" for r in rows) else None
    try:
        return wait_until(look, f"{n} notifications are delivered")
    except Failed as e:
        raise Failed(f"{e}\n{json.dumps(outbox(orch), indent=1)}{orch.tail()}") from None


def no_secret_anywhere(orch):
    """Neither in the state database and its journal, nor in a log, an attempt's files, or an argument."""
    for path in [orch.log, *(orch.root / "state").rglob("*")]:
        if path.is_file():
            data = path.read_bytes()
            assert CANARY.encode() not in data and PASSWORD.encode() not in data, path


BAD_LASER = ("error:laser_centerfinding", "minime05 XR on 20260407: BadLaserError: 1 usable centre")
CLOUDS = ("warning:cloud_sensor_data", "no file for @everyone <b> `x`")


# ---- webhook

def test_webhook_event_is_a_signed_cloudevent(orch):
    with Webhook() as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', secret: {{env: NOTIFY_TOKEN}}, "
                               f"token: {{env: NOTIFY_PASSWORD}}, headers: {{X-Where: here}}, group: '{{site}}', "
                               f"on: [failed, warnings, recovered, succeeded], {QUICK}}}"})
        orch.start()
        work(orch, code=3)
        run = night(orch, state="failed")
        rows = settled(orch, 1)
        work(orch)
        night(orch)
        settled(orch, 3)
        (headers, body), *_ = hook.seen
        event = json.loads(body)
        assert headers["Content-Type"].startswith("application/cloudevents+json")
        assert headers["X-Where"] == "here" and headers["Authorization"] == f"Bearer {PASSWORD}"
        want = hmac.new(CANARY.encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Orchd-Signature"] == f"sha256={want}"
        assert event["specversion"] == "1.0" and event["type"] == "org.orchd.run.failed.v1"
        assert event["id"] == rows[0]["event"] == headers["X-Orchd-Event"]
        assert event["subject"] == f"run/{run}" and event["source"].startswith("/orchd/")
        data = event["data"]
        assert (data["kind"], data["group"], data["job"], data["partition"]) == ("failed", "uao", "night", "uao/20260407")
        assert data["labels"] and data["error"]["text"] and data["messages"][0]["asset"] == "work"
        kinds = [e["data"]["kind"] for e in hook.events()]
        assert kinds == ["failed", "recovered", "succeeded"]
        assert hook.events()[1]["data"]["labels"] == data["labels"] and hook.events()[1]["data"]["since"]
        assert len({e["id"] for e in hook.events()}) == 3
        cmdlines = orch.run("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null; true").stdout
        assert CANARY not in cmdlines and PASSWORD not in cmdlines
        assert orch.stop() == 0
        no_secret_anywhere(orch)


def test_labels_are_those_of_the_warnings_and_only_what_is_asked_for_is_told(orch):
    with Webhook() as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', on: [warnings], group: '{{site}}', {QUICK}}}"})
        orch.start()
        work(orch, warn=[BAD_LASER, CLOUDS, BAD_LASER])
        night(orch)
        settled(orch, 1)
        work(orch, code=1)
        night(orch, state="failed")
        work(orch)
        night(orch)
        orch.ctl("launch", "night", "--dry-run", "--wait", "-s", "site=uao", "-s", "date=20260407", code=None)
        (event,) = hook.events()
        assert event["type"] == "org.orchd.run.warnings.v1"
        assert event["data"]["labels"] == [BAD_LASER[0], CLOUDS[0]]
        assert [m["text"] for m in event["data"]["messages"]] == [BAD_LASER[1], CLOUDS[1], BAD_LASER[1]]
        assert len(outbox(orch)) == 1


def test_recovery_is_of_the_group_and_job_and_of_each_label(orch):
    with Webhook() as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', group: '{{site}}', {QUICK}}}"})
        orch.start()
        work(orch, warn=[BAD_LASER, CLOUDS])
        night(orch, "uao")
        work(orch)
        night(orch, "mto", "20260408")
        settled(orch, 1)
        work(orch, warn=[CLOUDS])
        night(orch, "uao", "20260408")
        settled(orch, 3)
        last = {e["data"]["kind"]: e["data"]["labels"] for e in hook.events()[1:]}
        assert last == {"recovered": [BAD_LASER[0]], "warnings": [CLOUDS[0]]}


def test_dedup_holds_repeats_back_and_counts_them(orch):
    with Webhook() as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', group: '{{site}}', dedup: 1h, {QUICK}}}"})
        orch.start()
        work(orch, code=1)
        for day in range(3):
            night(orch, "uao", f"2026040{day + 1}", state="failed")
        settled(orch, 1)
        assert orch.stop() == 0
        orch.start(env={"ORCH_CLOCK_OFFSET_MS": str(2 * 3600 * 1000)})
        night(orch, "uao", "20260409", state="failed")
        settled(orch, 2)
        assert [e["data"].get("repeats") for e in hook.events()] == [None, 2]


SENSOR_TEXT = r"""
stores:
  data: {type: dir, path: ./store}
sensors:
  instrument_upload_sensor:
    type: chunked_upload
    store: data
    prefix: raw/
    every: 1h
    stale_after: 1h
    part: '^(?<stub>fpi(?<num>\d{2}))_(?<site>[a-z0-9]{2,3})_(?<date>\d{8})\.tar\.gz(?<part>\d{6})$'
    check_file: '{stub}_{site}_{date}.txt'
    run_key: 'sort-{date}-{stub}'
    job: night
    config: {site: '{site}', date: '{date}'}
"""


def test_stale_key_is_told_once(orch):
    with Webhook() as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', group: '{{key}}', {QUICK}}}"})
        orch.config.write_text(orch.config.read_text() + SENSOR_TEXT)
        upload = Upload("fpi05", "uao", "20260407", b"x" * 1000, piece_size=300)
        orch.put_upload(upload, skip=("000002",))
        orch.start()
        orch.tick()
        assert orch.stop() == 0 and not hook.seen
        orch.start(env={"ORCH_CLOCK_OFFSET_MS": str(3 * 3600 * 1000)})
        orch.tick()
        orch.tick()
        settled(orch, 1)
        (event,) = hook.events()
        assert event["type"] == "org.orchd.key.stale.v1" and event["subject"].startswith("key/instrument_upload_sensor/")
        assert "000002" in event["data"]["reason"] and event["data"]["group"] == event["data"]["key"]
        # The missing piece comes: the run of that key ends the trouble.
        orch.put_upload(upload)
        orch.tick()
        orch.wait_idle()
        settled(orch, 2)
        assert hook.events()[1]["data"]["kind"] == "recovered" and hook.events()[1]["data"]["labels"] == ["stale"]


# ---- the outbox

def test_server_down_then_up_and_runs_do_not_wait(orch):
    with Webhook() as probe:
        port = probe.port
    project(orch, {"hook": f"{{type: webhook, url: 'http://127.0.0.1:{port}/hook', group: '{{site}}', {QUICK}}}"})
    orch.start()
    work(orch, code=1)
    for day in range(5):
        night(orch, "uao", f"2026040{day + 1}", state="failed")
    rows = wait_until(lambda: [r for r in outbox(orch, "pending") if r["attempts"] >= 2], "it was tried")
    assert len(outbox(orch, "pending")) == 5 and rows[0]["error"]["class"] == "transient"
    status = orch.ctl("status")["outbox"]
    assert status["pending"] == 5 and status["retrying"] >= 1 and status["oldest_at"]
    assert "to be delivered" in orch.text("status")
    with Webhook(port=port) as hook:
        rows = settled(orch, 5)
        assert all(r["state"] == "sent" for r in rows)
        assert sorted({e["id"] for e in hook.events()}) == sorted(r["event"] for r in rows)


def test_a_recovery_never_overtakes_its_trouble(orch):
    with Webhook(status=500) as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', group: '{{site}}', retry_delay: 10m}}"})
        orch.start()
        work(orch, code=1)
        night(orch, state="failed")
        wait_until(lambda: [r for r in outbox(orch) if r["attempts"] > 0], "it was tried")
        assert orch.stop() == 0
        hook.status, hook.seen = 200, []
        orch.start()  # a new process knows no pause, only what the rows say
        work(orch)
        night(orch)
        work(orch, code=1)
        night(orch, site="mto", state="failed")
        wait_until(lambda: hook.seen, "another group's is told")
        assert [e["data"]["group"] for e in hook.events()] == ["mto"] and len(outbox(orch, "pending")) == 2
        assert orch.stop() == 0
        orch.start(env={"ORCH_CLOCK_OFFSET_MS": str(20 * 60 * 1000)})
        settled(orch, 3)
        assert [(e["data"]["group"], e["data"]["kind"]) for e in hook.events()[1:]] == [("uao", "failed"), ("uao", "recovered")]


@pytest.mark.parametrize("status,headers", [(500, {}), (429, {"Retry-After": "0"}), (404, {}), (None, {})])
def test_an_answer_that_is_no_success_is_tried_again(orch, status, headers):
    with Webhook(status=status, headers=headers) as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', {QUICK}}}"})
        orch.start()
        work(orch, code=1)
        night(orch, state="failed")
        wait_until(lambda: len(hook.seen) >= 3, "three attempts")
        assert str(hook.port) in str(outbox(orch)), "who it was"
        assert "/hook" not in str(outbox(orch)) + orch.log.read_text(), "its path may be a secret"
        hook.status = 204
        settled(orch, 1)
        assert len({e["id"] for e in hook.events()}) == 1


def test_kill_between_delivery_and_commit_repeats_the_same_event(orch):
    with Webhook() as hook:
        hook.gate = threading.Event()
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', {QUICK}}}"})
        orch.start()
        work(orch, code=1)
        night(orch, state="failed")
        wait_until(lambda: len(hook.seen) == 1, "it was sent")
        orch.kill()  # the receiver has it, the daemon has not heard so
        hook.gate.set()
        orch.start()
        settled(orch, 1)
        assert len(hook.seen) == 2 and hook.seen[0][1] == hook.seen[1][1]


def test_kill_at_any_time_loses_nothing(orch):
    with Webhook() as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', {QUICK}}}"})
        work(orch, code=1)
        runs = []
        for i in range(6):
            orch.start()
            runs.append(orch.ctl("launch", "night", "--detach", "-s", "site=uao", "-s", f"date=2026040{i + 1}")["run"])
            wait_until(lambda: len(hook.seen) >= i, "the one before has arrived")
            orch.kill()
        orch.start()
        orch.wait_idle()
        settled(orch, len(runs))
        assert {e["subject"] for e in hook.events()} == {f"run/{r}" for r in runs}
        with sqlite3.connect(f"file:{orch.root}/state/state.db?mode=ro", uri=True) as db:
            assert db.execute("SELECT count(DISTINCT event) FROM outbox").fetchone()[0] == len(runs)


def test_what_cannot_be_delivered_is_given_up_visibly(orch):
    with Webhook(status=500) as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', expire: 1h, {QUICK}}}"})
        orch.start()
        work(orch, code=1)
        night(orch, state="failed")
        wait_until(lambda: hook.seen, "it was tried")
        assert orch.stop() == 0
        orch.start(env={"ORCH_CLOCK_OFFSET_MS": str(2 * 3600 * 1000)})
        (row,) = settled(orch, 1)
        assert row["state"] == "failed" and row["error"]["code"] == "expired" and "500" in row["error"]["text"]
        assert orch.ctl("status")["outbox"]["failed"] == 1
        assert "given up" in orch.text("status")


def test_a_stuck_receiver_holds_up_nobody_else(orch):
    with Webhook() as stuck, Webhook() as hook:
        stuck.gate = threading.Event()
        project(orch, {"a_stuck": f"{{type: webhook, url: '{stuck.url}', {QUICK}}}",
                       "hook": f"{{type: webhook, url: '{hook.url}', {QUICK}}}"})
        orch.start()
        work(orch, code=1)
        for day in range(3):
            night(orch, "uao", f"2026040{day + 1}", state="failed")
        wait_until(lambda: len(hook.seen) == 3, "the other has all")
        assert len(stuck.seen) == 1
        assert orch.stop() == 0  # within the drain, not the request's timeout
        stuck.gate.set()


def test_once_delivers_before_it_ends(orch):
    with Webhook() as hook:
        project(orch, {"hook": f"{{type: webhook, url: '{hook.url}', {QUICK}}}"})
        work(orch, code=1)
        orch.orchctl("launch", "night", "-s", "site=uao", "-s", "date=20260407", code=None)  # without a daemon
        assert len(outbox(orch, "pending")) == 1 and not hook.seen
        assert orch.run(BUILD / "orchd", "-f", orch.config, "--once").returncode == 0
        assert len(hook.seen) == 1 and outbox(orch)[0]["state"] == "sent"


# ---- command

def test_command_gets_the_event_and_its_failure_is_told(orch):
    script = orch.root / "tell.sh"
    project(orch, {"call": f"{{type: command, command: [sh, '{script}', 'one two'], pass_env: [NOTIFY_TOKEN], timeout: 1s, {QUICK}}}"})
    script.write_text(f"echo first; echo 'not now' >&2; test -e {orch.root}/go || exit 75\n"
                      f"[ \"$NOTIFY_TOKEN\" = {CANARY} ] && [ -z \"$NOTIFY_PASSWORD\" ] || exit 3\n"
                      f"cat >{orch.root}/got.tmp; echo \"$1 $ORCH_EVENT_ID\" >{orch.root}/args\n"
                      f"mv {orch.root}/got.tmp {orch.root}/got\n")
    orch.start()
    work(orch, code=1)
    night(orch, state="failed")
    row = wait_until(lambda: next((r for r in outbox(orch) if r["attempts"] > 1), None), "it was tried twice")
    assert "exit code 75: not now" in row["error"]["text"]
    (orch.root / "go").touch()
    (row,) = settled(orch, 1)
    event = json.loads((orch.root / "got").read_text())
    assert event["id"] == row["event"] and event["data"]["kind"] == "failed"
    assert (orch.root / "args").read_text() == f"one two {row['event']}\n"


@pytest.mark.parametrize("body,text", [
    ("sleep 100", "timeout"),
    ("head -c 1000000 /dev/zero; exit 4", "exit code 4"),
    ("kill -9 $$", "signal 9"),
])
def test_command_that_misbehaves(orch, body, text):
    script = orch.root / "tell.sh"
    project(orch, {"call": f"{{type: command, command: [sh, '{script}'], timeout: 300ms, {QUICK}}}"})
    script.write_text(body + "\n")
    orch.start()
    work(orch, code=1)
    night(orch, state="failed")
    row = wait_until(lambda: next((r for r in outbox(orch) if r["error"]), None), "it has failed")
    assert text in row["error"]["text"], row
    night(orch, state="failed")
    assert orch.stop() == 0


# ---- configuration

@pytest.mark.parametrize("text,problem", [
    ("{type: webhook}", "url"),
    ("{type: webhok, url: 'http://x/'}", "did you mean 'webhook'"),
    ("{type: webhook, url: 'http://obs.example/', token: {env: A}}", "unencrypted"),
    ("{type: webhook, url: 'https://u:p@obs.example/'}", "password must not stand"),
    ("{type: webhook, url: 'https://obs.example/', on: [faild]}", "failed"),
    ("{type: webhook, url: 'https://obs.example/', jobs: [nigth]}", "did you mean 'night'"),
    ("{type: github, repository: nights, token: {env: A}}", "OWNER/REPOSITORY"),
    ("{type: github, repository: a/b, token: secret}", "token"),
    ("{type: github, repository: a/b, token: {env: A}, labels: ['site:{site']}", "labels"),
    ("{type: github, repository: a/b, token: {env: A}, titles: {x: '{'}}", "titles"),
    ("{type: email, host: m.example, from: a@b, to: [c@d], user: u, password: {env: A}, tls: none}", "unencrypted"),
    ("{type: email, host: m.example, from: a@b, to: ['x<y@z>']}", "NAME@DOMAIN"),
    ('{type: email, host: m.example, from: a@b, to: ["x@y\\r\\nBcc:z@y"]}', "control character"),
    ("{type: email, host: m.example, from: a@b, to: ['é@y']}", "NAME@DOMAIN"),
    ("{type: command}", "command"),
])
def test_bad_configuration(orch, text, problem):
    project(orch, {"n": text})
    done = orch.orchctl("validate", code=7)
    assert problem in done.stdout and "orch.yaml:" in done.stdout
