"""The push endpoint: nights that start because they were announced, and announcements that survive what comes between.

Every sensor here polls once a day, so whatever starts after the first tick was started by a notification.
"""

import base64
import http.client
import json
import random
import re
import signal
import socket
import sqlite3
import struct
import urllib.parse

import pytest

import nights
from conftest import needs_servers
from orch import SENSOR, Upload, wait_until

TOKEN = "CANARY-push-0123456789abcdef"

CONFIG = """
state_dir: ./state
limits: {{drain: 200ms}}
push: {{listen: "127.0.0.1:0", token: {{env: PUSH_TOKEN}}}}
stores:
  data: {{type: dir, path: ./store}}
assets:
  work: {{type: exec, command: ['true'], retries: 0}}
jobs:
  night: {{assets: [work], partition: '{{site}}/{{date}}'}}
sensors:
  {sensor}:
    type: chunked_upload
    store: data
    prefix: raw/
    every: 24h
    part: '^(?<stub>fpi\\d{{2}})_(?<site>[a-z]{{3}})_(?<date>\\d{{8}})\\.tar\\.gz(?<part>\\d{{6}})$'
    check_file: '{{stub}}_{{site}}_{{date}}.txt'
    run_key: '{{stub}}-{{date}}'
    job: night
    config: {{site: '{{site}}', date: '{{date}}'}}
"""


def project(orch):
    orch.configure(CONFIG.format(sensor=SENSOR))
    orch.env["PUSH_TOKEN"] = TOKEN
    return start(orch)


def start(orch):
    """Up, and the tick that follows a first start is over."""
    orch.start()
    wait_until(lambda: orch.ctl("status")["sensors"][0]["last_tick_at"], "the first tick")
    return orch


def counts(orch):
    return orch.ctl("status")["push"]


def port_of(orch):
    return urllib.parse.urlsplit(counts(orch)["address"]).port


def request(port, body, method="POST", path="/", token=TOKEN, **headers):
    """(status, headers, body)"""
    if token is not None:
        headers.setdefault("Authorization", f"Bearer {token}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def record(key, bucket="data", event="ObjectCreated:Put", sequencer=None, etag="0123456789abcdef"):
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "eventTime": "2026-04-08T15:00:12.345Z", "eventName": event,
            "s3": {"bucket": {"name": bucket},
                   "object": {"key": urllib.parse.quote_plus(key, safe="/"), "size": 5, "eTag": etag,
                              "sequencer": sequencer or f"{random.getrandbits(64):016X}"}}}


def push(orch, *records, status=200, port=None):
    code, _, body = request(port or port_of(orch), json.dumps({"Records": list(records)}))
    assert code == status, (code, body)
    return json.loads(body) if code == 200 else body


def reload(orch):
    """As systemctl reload does it; back when the new configuration is in use."""
    before = orch.log.read_text().count(" reload: ")
    orch.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: orch.log.read_text().count(" reload: ") > before, "a reload")


def upload_of(day, n=4):
    return Upload("fpi05", "uao", f"202604{day:02}", random.Random(day).randbytes(1000 * n - 17), piece_size=1000)


def keys_of(upload):
    return [f"raw/{name}" for name in [*upload.pieces, upload.check_name]]


def wait_run_of(orch, upload):
    """The one run of that night, at its end."""
    found = wait_until(lambda: orch.runs(partition=f"{upload.site}/{upload.date}"), f"a run of {upload.date}")
    assert len(found) == 1
    ended = orch.wait_run(found[0]["id"])
    assert ended["state"] == "succeeded"
    return ended


def ticks(orch):
    return orch.ctl("sensors", "ticks", SENSOR)["ticks"]


def test_a_night_starts_because_it_was_announced(orch):
    project(orch)
    upload = upload_of(7)
    other = upload_of(8)
    orch.put_upload(other, check=False)
    orch.put_upload(upload)
    next_poll = orch.ctl("status")["sensors"][0]["next_tick_at"]
    assert push(orch, *[record(k) for k in keys_of(upload)])["accepted"] == 5
    wait_run_of(orch, upload)
    pushed = ticks(orch)[0]
    assert pushed["outcome"] == "requested" and pushed["reason"].startswith("pushed: "), pushed
    verdicts = orch.verdicts()
    assert verdicts == {f"raw/{upload.check_name}": ("complete", "4 of 4 pieces, 3983 bytes")}, verdicts
    status = orch.ctl("status")
    assert status["sensors"][0]["next_tick_at"] == next_poll
    assert status["push"]["accepted"] == 5 and status["push"]["pending"] == 0 and status["push"]["unknown"] == 0
    assert "5 taken" in orch.text("status")
    # The audit: a tick for everything finds nothing to add but what was not announced.
    assert orch.tick()["runs"] == []
    assert set(orch.verdicts()) == {f"raw/{upload.check_name}", f"raw/{other.check_name}"}


@pytest.mark.parametrize("order", ["check first", "shuffled", "reversed", "twice"])
def test_any_order(orch, order):
    """One notification per key, each sent once its object is there."""
    project(orch)
    port = port_of(orch)
    upload = upload_of(9, n=12)
    keys = keys_of(upload)
    if order == "check first":
        keys = keys[-1:] + keys[:-1]
    elif order == "reversed":
        keys.reverse()
    elif order == "twice":
        keys = [k for k in keys for _ in range(2)]
    else:
        random.Random(1).shuffle(keys)
    sent = {}
    for key in keys:
        name = key.removeprefix("raw/")
        orch.put(key, upload.check() if name == upload.check_name else upload.pieces[name])
        push(orch, sent.setdefault(key, record(key)), port=port)
    wait_run_of(orch, upload)
    push(orch, *sent.values(), port=port)
    status = counts(orch)
    assert status["duplicates"] == (26 if order == "twice" else 13), status
    assert len(orch.runs()) == 1


def test_announced_before_it_is_all_there(orch):
    """Announcements that come too early start nothing, and the last one does."""
    project(orch)
    upload = upload_of(10)
    last = list(upload.pieces)[-1]
    orch.put_upload(upload, skip=(last[-6:],))
    push(orch, *[record(k) for k in keys_of(upload)])
    wait_until(lambda: counts(orch)["pending"] == 0, "its tick")
    assert orch.runs() == []
    assert orch.verdicts()[f"raw/{upload.check_name}"][0] == "pending"
    orch.put(f"raw/{last}", upload.pieces[last])
    push(orch, record(f"raw/{last}"))
    wait_run_of(orch, upload)


def test_forms_of_notifications(orch):
    project(orch)
    port = port_of(orch)
    for code, body in ((200, {"Service": "Amazon S3", "Event": "s3:TestEvent"}), (200, {"Records": []}),
                       (400, {}), (400, "no JSON"), (413, {"Records": [{}] * 1001})):
        status, _, text = request(port, body if isinstance(body, str) else json.dumps(body))
        assert status == code, (body, status, text)
    done = push(orch, record("raw/elsewhere.txt"), record("x", bucket="nobody's"), record("raw/x", event="ObjectRemoved:Delete"),
                {"s3": None}, port=port)
    assert done == {"accepted": 0, "duplicates": 0, "ignored": 1, "unknown": 2, "bad": 1}
    status = counts(orch)
    assert status["unknown"] == 2 and status["last_unknown"] == "nobody's/x" and status["malformed"] == 3, status
    assert "that no sensor watches for, the last nobody's/x" in orch.text("status")
    upload = upload_of(11)
    orch.put_upload(upload)
    minio = record(f"raw/{upload.check_name}", event="s3:ObjectCreated:Put")
    minio["s3"]["object"]["key"] = urllib.parse.quote_plus(f"raw/{upload.check_name}")
    status, headers, _ = request(port, json.dumps({"EventName": "s3:ObjectCreated:Put", "Key": "data/x", "Records": [minio]}))
    assert status == 200 and headers["Content-Type"] == "application/json; charset=utf-8"
    wait_run_of(orch, upload)
    bridge = upload_of(12)
    orch.put_upload(bridge)
    detail = {"bucket": {"name": "data"}, "object": {"key": f"raw/{bridge.check_name}", "size": 5, "etag": "x", "sequencer": "1"}}
    assert request(port, json.dumps({"detail-type": "Object Created", "source": "aws.s3", "detail": detail}))[0] == 200
    wait_run_of(orch, bridge)


def test_the_token(orch):
    project(orch)
    port = port_of(orch)
    body = json.dumps({"Records": [record("raw/fpi05_uao_20260407.txt")]})
    basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
    assert request(port, body, token=None, Authorization=f"Basic {basic}")[0] == 200
    wrong = [{"token": None}, {"token": TOKEN[:-1]}, {"token": TOKEN + "x"}, {"token": ""},
             {"token": None, "Authorization": TOKEN}, {"token": None, "Authorization": "Basic " + basic[:-4]}]
    for i, how in enumerate(wrong):
        status, headers, text = request(port, body, **how)
        assert status == 401 and "Basic" in headers["WWW-Authenticate"] and headers["Connection"] == "close", (how, text)
        assert counts(orch)["refused"] == i + 1
    # A body that was not looked at may be anything, of any length that is allowed.
    assert request(port, b"\0" * (1 << 20), token=None)[0] == 401
    assert request(port, b"x" * ((1 << 20) + 1))[0] == 413
    assert request(port, None, method="GET", token=None)[0] == 200
    assert request(port, body, method="PUT")[0] == 405
    assert request(port, body, Host="evil.example")[0] == 421
    assert counts(orch)["accepted"] == 1
    assert "2 without" not in orch.text("status") and "7 without the token" in orch.text("status")
    # Nowhere is it written down.
    assert TOKEN not in orch.log.read_text()
    assert all(TOKEN.encode() not in p.read_bytes() for p in (orch.root / "state").rglob("*") if p.is_file())
    assert TOKEN not in json.dumps(orch.ctl("status"))


def test_a_short_token_opens_nothing(orch):
    orch.configure(CONFIG.format(sensor=SENSOR))
    orch.env["PUSH_TOKEN"] = "too short"
    start(orch)
    assert counts(orch) is None
    assert "push.token: it has fewer than 16 bytes" in orch.log.read_text()
    assert "too short" not in orch.log.read_text()


def test_the_page_still_takes_nothing(orch):
    orch.configure(CONFIG.format(sensor=SENSOR) + 'web: {listen: "127.0.0.1:0"}\n')
    orch.env["PUSH_TOKEN"] = TOKEN
    start(orch)
    page = urllib.parse.urlsplit(orch.ctl("status")["page"]).port
    assert page != port_of(orch)
    status, headers, _ = request(page, json.dumps({"Records": [record("raw/fpi05_uao_20260407.txt")]}))
    assert status == 405 and headers["Allow"] == "GET, HEAD"
    status, _, text = request(page, None, method="GET", path="/api/v1/status", token=None)
    assert status == 200 and json.loads(text)["push"]["address"] == counts(orch)["address"]
    assert request(port_of(orch), None, method="GET", path="/api/v1/status", token=None)[2].startswith(b"S3 event")


def test_acknowledged_is_not_lost(orch):
    """Killed as soon as it has answered: what was announced is looked at after the next start."""
    project(orch)
    for day in range(1, 11):
        upload = upload_of(day)
        orch.put_upload(upload)
        push(orch, record(f"raw/{upload.check_name}"))
        orch.kill()
        orch.start()
        wait_run_of(orch, upload)
        assert wait_until(lambda: counts(orch)["pending"] == 0, "nothing waits")
    assert len(orch.runs()) == 10
    polled = [t for t in ticks(orch) if not (t["reason"] or "").startswith("pushed")]
    assert len(polled) == 1 and polled[0]["n"] == 1, polled


def test_what_waits_survives(orch):
    """A paused sensor looks at nothing; its hints wait through a kill and a reload, and are looked at once it may."""
    project(orch)
    orch.ctl("sensors", "pause", SENSOR)
    upload, more = upload_of(13), upload_of(14)
    for u in (upload, more):
        orch.put_upload(u)
        push(orch, *[record(k) for k in keys_of(u)])
    assert counts(orch)["pending"] == 2, "one for each upload, not for each key"
    orch.kill()
    orch.start()
    reload(orch)
    assert orch.runs() == [] and counts(orch)["pending"] == 2
    orch.ctl("sensors", "resume", SENSOR)
    wait_run_of(orch, upload)
    wait_run_of(orch, more)
    assert wait_until(lambda: counts(orch)["pending"] == 0, "nothing waits")


def test_senders_that_leave(orch):
    """Gone before the answer: what they said counts all the same, and nothing else is disturbed."""
    project(orch)
    port = port_of(orch)
    upload = upload_of(20)
    orch.put_upload(upload)
    for i in range(100):
        body = json.dumps({"Records": [record(keys_of(upload)[i % 5])]}).encode()
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no farewell
            sock.sendall(head.encode() + body[:len(body) if i % 3 else -1])
    wait_run_of(orch, upload)
    assert push(orch, record(f"raw/{upload.check_name}"))["accepted"] == 1
    wait_until(lambda: counts(orch)["pending"] == 0, "its tick")
    assert len(orch.runs()) == 1


def test_more_than_can_wait(orch):
    """A flood for a paused sensor becomes one look at everything."""
    project(orch)
    orch.ctl("sensors", "pause", SENSOR)
    port = port_of(orch)
    upload = upload_of(15)
    orch.put_upload(upload)
    push(orch, record(f"raw/{upload.check_name}"), port=port)
    for stub in range(60):
        push(orch, *[record(f"raw/fpi{stub:02}_uao_2026{m:02}{d:02}.txt") for m in range(5, 8) for d in range(1, 29)], port=port)
    assert counts(orch)["pending"] == 1
    orch.ctl("sensors", "resume", SENSOR)
    wait_run_of(orch, upload)
    assert wait_until(lambda: counts(orch)["pending"] == 0, "nothing waits")


def test_a_commit_that_fails(orch):
    """503 and no promise while the state cannot be written; the sender repeats, and then it is taken."""
    project(orch)
    port = port_of(orch)
    upload = upload_of(16)
    orch.put_upload(upload)
    announcement = record(f"raw/{upload.check_name}")
    with sqlite3.connect(orch.root / "state" / "state.db", isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        status, headers, _ = request(port, json.dumps({"Records": [announcement]}))
        db.execute("ROLLBACK")
    assert status == 503 and int(headers["Retry-After"]) > 0
    assert counts(orch)["unavailable"] == 1 and counts(orch)["accepted"] == 0 and orch.runs() == []

    def repeat():
        return request(port, json.dumps({"Records": [announcement]}))[0] == 200
    wait_until(repeat, "it is taken")
    wait_run_of(orch, upload)
    assert counts(orch)["duplicates"] == 0


def test_a_tick_that_fails_is_repeated(orch):
    orch.configure(CONFIG.format(sensor=SENSOR).replace("prefix: raw/", "prefix: raw/\n    max_keys: 9"))
    orch.env["PUSH_TOKEN"] = TOKEN
    start(orch)
    upload = upload_of(17)
    orch.put_upload(upload)
    junk = [f"raw/{upload.stem}.tar.gz-{i}" for i in range(10)]
    for key in junk:
        orch.put(key, "x")
    push(orch, record(f"raw/{upload.check_name}"))
    wait_until(lambda: ticks(orch)[0]["outcome"] == "failed", "a tick that failed")
    assert ticks(orch)[0]["reason"].startswith("pushed: more than max_keys (9)"), ticks(orch)[0]
    assert counts(orch)["pending"] == 1
    for key in junk:
        (orch.store / key).unlink()
    wait_run_of(orch, upload)
    assert counts(orch)["pending"] == 0


def test_reload(orch):
    """The section may come, change and go while the daemon runs."""
    text = CONFIG.format(sensor=SENSOR)
    without = re.sub(r"(?m)^push:.*\n", "", text)
    orch.configure(without)
    secret = orch.root / "token"
    secret.write_text(TOKEN + "\n")
    start(orch)
    assert counts(orch) is None
    orch.config.write_text(text.replace("{env: PUSH_TOKEN}", "{file: ./token}"))
    reload(orch)
    port = port_of(orch)
    assert push(orch, record("raw/fpi05_uao_20260401.txt"), port=port)["accepted"] == 1
    secret.write_text("another-token-0123456789\n")
    reload(orch)
    assert port_of(orch) == port, "an unchanged section keeps its socket"
    assert request(port, "{}")[0] == 401 and request(port, "{}", token="another-token-0123456789")[0] == 400
    orch.config.write_text(without)
    reload(orch)
    with pytest.raises(ConnectionRefusedError):
        request(port, "{}")
    assert orch.stop(signal.SIGTERM) == 0


# ---- a gateway that really sends


def subscribe(orch, name, endpoint, **attributes):
    """A topic that pushes to endpoint, and the bucket's notifications through it."""
    servers = orch.servers
    topic = servers.sns.create_topic(Name=name, Attributes={"push-endpoint": endpoint, **attributes})["TopicArn"]
    orch.s3.put_bucket_notification_configuration(Bucket=orch.bucket, NotificationConfiguration={
        "TopicConfigurations": [{"Id": name, "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]})


def bucket_night(orch, port=0):
    """A project whose bucket is polled once a day, and is up."""
    orch.env["PUSH_TOKEN"] = TOKEN
    orch.config.write_text(f'{orch.config.read_text()}\npush: {{listen: "127.0.0.1:{port}", token: {{env: PUSH_TOKEN}}}}\n')
    for path in (orch.root / "jobs").glob("*.yaml"):
        path.write_text(path.read_text().replace("every: 1h", "every: 24h"))
    return start(orch)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@needs_servers
@pytest.mark.parametrize("kind", ["at once", "persistent"])
def test_ceph_announces_a_night(bucket_project, kind):
    orch = bucket_night(bucket_project)
    subscribe(orch, f"{orch.bucket}-nights", f"http://ceph:{TOKEN}@127.0.0.1:{port_of(orch)}/",
              **({"persistent": "true"} if kind == "persistent" else {}))
    odd = "raw/100% a+b é.txt"
    orch.put(odd, b"odd")
    upload = nights.night()
    nights.send(orch, upload)
    run = wait_until(lambda: orch.runs(), "the run")
    assert orch.wait_run(run[0]["id"], timeout=120)["state"] == "succeeded"
    status = counts(orch)
    assert status["accepted"] == len(upload.pieces) + 1, status
    assert status["unknown"] >= 1 + len(upload.extra) and status["bad"] == 0 and status["malformed"] == 0, status
    assert all(t["reason"].startswith("pushed") for t in ticks(orch)[:-1]), ticks(orch)


@needs_servers
def test_ceph_repeats_what_was_not_taken(bucket_project):
    """A persistent topic waits for a daemon that is down, and repeats what was answered 503."""
    orch = bucket_night(bucket_project, port=free_port())
    subscribe(orch, f"{orch.bucket}-nights", f"http://ceph:{TOKEN}@127.0.0.1:{port_of(orch)}/", persistent="true",
              **{"http-ack-level": "non-error"})
    assert orch.stop() == 0
    upload = upload_of(18)
    orch.put_upload(upload)
    orch.start()
    wait_until(lambda: counts(orch)["accepted"] == 5, "what was announced while nobody listened")
    assert len(wait_until(lambda: orch.runs(), "the run")) == 1
    with sqlite3.connect(orch.root / "state" / "state.db", isolation_level=None, timeout=30) as db:
        db.execute("BEGIN IMMEDIATE")
        orch.put_upload(upload_of(19))
        wait_until(lambda: counts(orch)["unavailable"] > 0, "a commit that failed")
        db.execute("ROLLBACK")
    assert len(wait_until(lambda: [r for r in orch.runs() if "20260419" in r["partition"]], "the other run")) == 1
