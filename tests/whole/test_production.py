"""What only a bucket and a server can show: other tools read what we wrote, we read what they wrote, and secrets stay secret."""

import base64
import contextlib
import html
import json
import os
import pathlib
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request

import h5py
import numpy

import nights
from conftest import needs_servers
from memory import around, environ, holds, may_look_into, memory
from orch import BUILD, Upload, wait_until
from page import Page
from servers import ACCESS_KEY, SECRET_KEY, SQL_PASSWORD
from test_night import partition, run_one, states

pytestmark = needs_servers

# In a file name of the archive or of the instrument; the last one is as long as a key may be below raw/.
ODD_NAMES = ["two  blanks.img", "plus+percent%2B%.img", "ümlaut-空-🌌.img", "a&b=c;d?e#f.img", "'quoted' \"twice\" <x>.img",
             "~tilde(1)!*@,$.img"]
LONGEST = "x" * (1024 - len("raw/"))


def aws(project, *args):
    done = project.run("/usr/bin/aws", "--endpoint-url", project.servers.gateway.endpoint, "--region", "us-east-1", *args,
                       env={"AWS_CONFIG_FILE": str(project.root / "aws-config"), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_night_sent_and_fetched_by_awscli(bucket_project):
    project, upload = bucket_project, nights.night()
    outbox = project.root / "outbox"
    outbox.mkdir()
    for name, data in {**upload.pieces, **upload.extra, upload.check_name: upload.check().encode()}.items():
        (outbox / name).write_bytes(data)
    project.start()
    project.tick()  # the one at its start is over
    # Uploads in parts have ETags that are no MD5.
    (project.root / "aws-config").write_text("[default]\ns3 =\n  multipart_threshold = 64KB\n")
    aws(project, "s3", "cp", "--quiet", "--recursive", str(outbox), f"s3://{project.bucket}/raw/")
    first = project.s3.head_object(Bucket=project.bucket, Key=f"raw/{min(upload.pieces)}")
    assert re.fullmatch(r'"[0-9a-f]{32}-\d+"', first["ETag"])

    run = project.wait_run(project.tick()["runs"][0]["run"])
    assert run["state"] == "succeeded", run

    inbox = project.root / "inbox"
    aws(project, "s3", "cp", "--quiet", "--recursive", f"s3://{project.bucket}/", str(inbox))
    assert sorted(str(p.relative_to(inbox)) for p in inbox.rglob("*") if p.is_file()) == project.keys()
    listed = aws(project, "s3", "ls", "--recursive", f"s3://{project.bucket}/")
    assert {line.split(None, 3)[3] for line in listed.splitlines()} == set(project.keys())
    images = inbox / f"fpi/{upload.instrument}/{upload.site}/{upload.date[:4]}/{upload.date}"
    assert {p.name: p.read_bytes() for p in images.iterdir()} == upload.members()
    check_products(project, inbox, upload)
    results = {k: project.s3.head_object(Bucket=project.bucket, Key=k)["Metadata"]["run-uid"] for k in project.keys("results/")}
    (manifest,) = (k for k in results if k.endswith(".manifest.json"))
    assert set(results.values()) == {json.loads(project.read(manifest))["run_uid"]}, "each object says which run made it"


def check_products(project, inbox, upload):
    """NumPy, h5py and the SQL client agree on the night."""
    stem = inbox / "results" / upload.date[:4] / f"{upload.instrument}_{upload.site}_{upload.date}_xr"
    rows = project.results("SELECT temperature, los_wind, direction FROM fpi_sky ORDER BY time_utc")
    assert len(rows) == 10
    kelvin, wind, direction = zip(*rows)
    with numpy.load(f"{stem}.npz") as npz:
        assert numpy.allclose(npz["T"], kelvin, rtol=1e-6) and numpy.allclose(npz["LOSwind"], wind, rtol=1e-6)
    with h5py.File(f"{stem}.h5") as h5:
        assert numpy.allclose(h5["T"], kelvin, rtol=1e-6) and numpy.allclose(h5["LOSwind"], wind, rtol=1e-6)
        assert [d.decode().lower() for d in h5["direction"]] == [d.lower() for d in direction]
    sets = project.results("SELECT count(*) FROM DataSet")
    assert sets == [(3,)]


def test_odd_keys_of_others_stand_in_nobodys_way(bucket_project):
    project, upload = bucket_project, nights.night()
    odd = [f"raw/{n}" for n in ODD_NAMES] + [f"raw/{LONGEST}", "raw/", "raw/sub folder/", "raw/.hidden"]
    for key in odd:
        project.put(key, b"odd")
    run = run_one(project.start(), upload)
    assert run["state"] == "succeeded", run
    verdicts = project.verdicts()
    for key in odd:
        assert verdicts[key][0] == "ignored", key
        assert project.read(key) == b"odd"
    assert len(odd[len(ODD_NAMES)].encode()) == 1024


def test_odd_names_in_the_archive(bucket_project):
    project, good = bucket_project, nights.night()
    members = {**good.members(), **{n.replace(".img", ".odd"): n.encode() for n in ODD_NAMES}}
    upload = Upload.of_files(good.stub, good.site, good.date, members, piece_size=200000)
    upload.extra = good.extra
    run = run_one(project.start(), upload)
    assert states(run)["unzip"] == "succeeded", run
    folder = f"fpi/{upload.instrument}/{upload.site}/{upload.date[:4]}/{upload.date}/"
    assert {k[len(folder):]: project.read(k) for k in project.keys(folder)} == members


# ---- secrets

class ProcessWatch(threading.Thread):
    """Looks at the command line of every process of the machine, and at the environment of our steps, until told to stop."""

    def __init__(self, secrets):
        super().__init__(daemon=True)
        self.secrets, self.over, self.found, self.programs, self.rounds = secrets, threading.Event(), [], set(), 0

    def run(self):
        while not self.over.wait(0.002):
            self.rounds += 1
            for p in pathlib.Path("/proc").iterdir():
                if p.name.isdigit():
                    self.look(p)

    def look(self, process):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            return
        program = os.path.basename(line.split(b"\0")[0]).decode(errors="replace")
        self.programs.add(program)
        shown = line + (environ(process.name) if program in ("orch-step", "orch-exec") else b"")
        self.found += [shown for s in self.secrets if s in shown]

    def stop(self):
        self.over.set()
        self.join()
        return self.found


def files_with(root, secrets):
    return [str(p) for p in root.rglob("*") if p.is_file() and any(s in p.read_bytes() for s in secrets)]


def add_waiting_step(project):
    """A command that needs no secret, which waits in the middle of the run to be looked at."""
    jobs = project.root / "jobs" / "airglow.yaml"
    text = jobs.read_text()
    assert "assets: [unzip, analyze, cleanup]" in text
    text = text.replace("assets: [unzip, analyze, cleanup]", "assets: [unzip, look, analyze, cleanup]")
    command = f"env; touch {project.root}/looking; while [ ! -e {project.root}/seen ]; do sleep 0.05; done"
    jobs.write_text(text.replace("assets:\n", "assets:\n  look:\n    type: exec\n    deps: [unzip]\n"
                                 f"    command: [sh, -c, '{command}']\n\n", 1))


def run_file(project, upload):
    path = project.root / "run.yaml"
    path.write_text(f"config: {{site: {upload.site}, observation_date: {upload.date}}}\n")
    return path


def everything_it_says(project, run_id, upload):
    """What orchctl prints, as text and as JSON."""
    key = f"raw/{upload.check_name}"
    commands = [("status",), ("runs", "list"), ("runs", "show", run_id), ("runs", "logs", run_id), ("sensors", "list"),
                ("sensors", "ticks", "instrument_upload_sensor"), ("sensors", "keys", "instrument_upload_sensor"),
                ("assets", "list"), ("assets", "show", "analyze"), ("assets", "graph"), ("why", partition(upload)),
                ("why", key), ("validate",), ("check",), ("hold",), ("version",), ("types", "s3"), ("types", "mysql")]
    said = ""
    for command in commands:
        for form in ((), ("--json",)):
            done = project.orchctl(*form, *command, code=None)
            assert done.returncode in (0, 1), (command, done.stderr)
            said += done.stdout + done.stderr
    return said


def everything_it_shows(address):
    """All pages that can be reached from the first one, and the metrics."""
    seen, todo, text = set(), ["/", "/metrics"], ""
    while todo and len(seen) < 200:
        path = todo.pop()
        seen.add(path)
        try:
            with urllib.request.urlopen(address + path, timeout=30) as answer:
                page = answer.read().decode(errors="replace")
        except urllib.error.HTTPError as e:
            page = e.read().decode(errors="replace")
        text += page
        links = {html.unescape(h) for h in re.findall(r'(?:href|src|action)="(/[^"#]*)"', page)}
        todo += [h for h in links if h not in seen and h not in todo]
    return text, seen


def add_page(project):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    project.config.write_text(f'web: {{listen: "127.0.0.1:{port}"}}\n' + project.config.read_text())
    return f"http://127.0.0.1:{port}"


def memory_holds(pid):
    """Where a core file of it would hold a secret; what is kept for use is left out of it."""
    if not may_look_into(pid):
        return []
    dumped, left_out = memory(pid)
    assert holds(left_out, SECRET_KEY, SQL_PASSWORD), "the search finds what is there"
    return around(dumped, SECRET_KEY, SQL_PASSWORD)


def look_into_steps(project, run_id):
    """
    Stop the step now and then, to look at what it holds; how often it was looked at.  It may hold a secret for the moment in
    which it hands it to a library, so only what is there three times in a row counts.
    """
    looked, held = 0, 0
    while project.show(run_id)["state"] == "running":
        pid = project.program("orch-step")
        if pid is None:
            continue
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(pid, signal.SIGSTOP)
            try:
                if environ(pid).strip(b"\0") == b"" and any(memory(pid)[1]):  # it has hidden what it was given
                    found = memory_holds(pid)
                    held = held + 1 if found else 0
                    assert held < 3, found
                    looked += 1
            finally:
                os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)
    return looked


def test_secrets_are_nowhere(bucket_project):
    project, upload = bucket_project, nights.night()
    wrong = "canary-wrong-" + os.urandom(9).hex()
    plain = [SECRET_KEY.encode(), SQL_PASSWORD.encode(), wrong.encode()]
    secrets = plain + [base64.b64encode(s)[:-4] for s in plain]
    add_waiting_step(project)
    address = add_page(project)
    watch = ProcessWatch(secrets)
    watch.start()
    project.start()
    nights.send(project, upload)
    run_id = project.tick()["runs"][0]["run"]
    wait_until((project.root / "looking").exists, "the command runs")

    steps = [p for p in project.processes() if p != project.daemon.pid]
    assert len(steps) >= 2, "the supervisor and the command"
    assert not [p for p in [project.daemon.pid, *steps] if any(s in environ(p) for s in secrets)]
    assert memory_holds(project.daemon.pid) == []
    assert files_with(project.root, secrets) == []
    (project.root / "seen").touch()
    assert look_into_steps(project, run_id) > 0
    run = project.wait_run(run_id)
    assert run["state"] == "succeeded", run

    # Errors like to quote what they were given.
    project.stop()
    for name in ("AWS_SECRET_ACCESS_KEY", "MYSQL_PASSWORD"):
        done = project.run(
            BUILD / "orchctl", "-f", project.config, "materialize", "reanalyze",
            "--config", run_file(project, upload), "--wait", env={name: wrong}, timeout=120)
        assert done.returncode != 0
        assert not any(s.decode() in done.stdout + done.stderr for s in secrets)
    project.start()
    said = everything_it_says(project, run_id, upload)
    shown, pages = everything_it_shows(address)
    assert len(pages) > 5 and upload.stem in shown, pages
    project.stop()
    assert watch.stop() == [] and watch.rounds > 10
    assert {"orchd", "orch-step", "orch-exec"} <= watch.programs

    assert ACCESS_KEY not in said + shown and not any(s.decode() in said + shown for s in secrets)
    assert files_with(project.root, secrets) == []
    assert files_with(project.root, [upload.stem.encode()]), "the search finds what is there"
    assert not [k for k in project.keys() if any(s in project.read(k) for s in secrets)]


def test_a_night_over_tls(bucket_project):
    """Certificates of one's own authorities, named as the README has it; without them nothing is sent."""
    project, upload = bucket_project, nights.night()
    project.env["AWS_S3_ENDPOINT_URL"] = project.servers.gateway.tls_endpoint
    text = project.config.read_text()
    text = text.replace("type: mysql,", "type: mysql, tls: verify,")
    project.config.write_text(text)
    said = project.text("check", code=1)
    assert "name its authority in ca_file" in said and "check tls and tls_ca" in said
    text = text.replace("tls: verify,", f"tls_ca: {project.servers.mysql.folder}/tls/ca.pem,")
    project.config.write_text(text.replace("type: s3,", f"type: s3, ca_file: {project.servers.gateway.ca},"))
    assert ", TLS_" in project.text("check")
    assert run_one(project.start(), upload)["state"] == "succeeded"
    assert len(nights.table(project, "fpi_sky")) == 10


def test_secrets_as_credentials_of_the_service(bucket_project):
    """As the README has it: none of them in any environment."""
    project, upload = bucket_project, nights.night()
    folder = project.root / "credentials"
    folder.mkdir(mode=0o700)
    (folder / "mysql").write_text(project.env.pop("MYSQL_PASSWORD") + "\n")
    (folder / "s3").write_text(project.env.pop("AWS_SECRET_ACCESS_KEY") + "\n")
    project.env["CREDENTIALS_DIRECTORY"] = str(folder)
    text = project.config.read_text()
    text = text.replace("password: {env: MYSQL_PASSWORD}", "password: {credential: mysql}")
    text = text.replace("type: s3,", "type: s3, access_key: {env: AWS_ACCESS_KEY_ID}, secret_key: {credential: s3},")
    project.config.write_text(text)
    assert project.orchctl("check").returncode == 0
    run = run_one(project.start(), upload)
    assert run["state"] == "succeeded", run
    assert len(nights.table(project, "fpi_sky")) == 10
    project.stop()
    for path in folder.iterdir():
        path.unlink()
    assert files_with(project.root, [SECRET_KEY.encode(), SQL_PASSWORD.encode()]) == []


def numbers(page, name):
    """{labels as they stand: value} of one series"""
    return {labels: float(value) for labels, value in re.findall(rf"(?m)^{name}(?:\{{(.*)\}})? (\S+)$", page.text("/metrics"))}


def test_what_steps_asked_of_the_servers_is_counted(bucket_project):
    """Requests and statements of step processes are in the daemon's metrics, once; so is whether the servers answered."""
    project = bucket_project
    project.config.write_text(project.config.read_text() + "\nweb: {listen: '127.0.0.1:0'}\n")
    upload = nights.night()
    project.start()
    project.tick()
    page = Page(project)
    idle = numbers(page, "orchd_s3_requests_total")
    assert set(idle) == {'op="list",code="200"'}, "the sensor's own"
    assert not any(numbers(page, "orchd_mysql_up")), "not used yet, not known"
    nights.send(project, upload)
    run = project.wait_run(project.tick()["runs"][0]["run"])
    assert run["state"] == "succeeded"
    requests, moved = numbers(page, "orchd_s3_requests_total"), numbers(page, "orchd_s3_bytes_total")
    raw = sum(len(p) for p in upload.pieces.values())
    assert 0 < requests['op="delete",code="200"'] < len(upload.pieces), "many in one request"
    assert moved['direction="received"'] > raw and moved['direction="sent"'] > sum(len(d) for d in upload.members().values())
    timed = numbers(page, "orchd_s3_request_duration_seconds_count")
    assert sum(timed.values()) == sum(requests.values())
    statements = numbers(page, "orchd_mysql_statement_duration_seconds_count")[""]
    rows = len(project.results("SELECT time_utc FROM fpi_sky")) + len(project.results("SELECT time_utc FROM fpi_laser"))
    assert statements > rows > 0
    assert numbers(page, "orchd_mysql_up") == {'database="results"': 1} and numbers(page, "orchd_store_up") == {'store="data"': 1}
    assert numbers(page, "orchd_deletes_total")['outcome="deleted"'] == project.steps(run["id"])["cleanup"]["metadata"]["deleted"] > 0

    # The analysis again, without the database: what was counted stays, and the place is down.
    project.config.write_text(re.sub(r"port: \d+", "port: 1", project.config.read_text()))
    project.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: " reload: " in project.log.read_text(), "the configuration is read again")
    failed = project.ctl("materialize", "reanalyze", "--detach", "-s", "site=uao", "-s", "observation_date=20260407",
                         "-s", "instrument_name=minime05")["run"]
    wait_until(lambda: numbers(page, "orchd_mysql_up") == {'database="results"': 0}, "the database is seen to be down")
    assert sum(v for k, v in numbers(page, "orchd_step_retries_total").items() if 'class="transient"' in k) > 0
    (place,) = project.ctl("status")["databases"]
    assert place["failed_at"] > place["ok_at"] and place["error"]["code"] == "unreachable"
    project.ctl("runs", "cancel", failed)
    project.wait_run(failed)
    # A new process begins at zero.
    project.kill()
    project.start()
    assert sum(numbers(Page(project), "orchd_step_duration_seconds_count").values()) == 0
