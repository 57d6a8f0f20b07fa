"""Servers that go away, for a moment or for longer: a night waits for them, repeats nothing, and says what it waits for."""

import re
import socket
import threading

import nights
from conftest import needs_servers
from orch import wait_until
from test_check import USERS_DATASET
from test_night import partition, run_one
from test_production import add_waiting_step

pytestmark = needs_servers


class Line:
    """A line to a server on a port of its own, which can be taken down, and cut where certain bytes pass on their way there."""

    def __init__(self, port):
        self.server, self.listener, self.ends, self.cuts, self.lock = port, None, [], [], threading.Lock()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def up(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(50)
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        return self

    def down(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()

    def hang_up(self):
        with self.lock:
            for end in self.ends:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.ends = []

    def accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.server))
            with self.lock:
                self.ends += [near, far]
            threading.Thread(target=self.carry, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, False), daemon=True).start()

    def carry(self, source, sink, there):
        try:
            while data := source.recv(65536):
                if there and self.cuts and self.cuts[0] in data:
                    self.cuts.pop(0)
                    self.hang_up()
                    return
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def use_lines(project):
    """Both servers by lines that are up; a step that fails is tried again once."""
    sql = Line(project.servers.mysql.port).up()
    bucket = Line(int(project.servers.gateway.endpoint.rsplit(":", 1)[1])).up()
    project.config.write_text(re.sub(r"port: \d+", f"port: {sql.port}", project.config.read_text()))
    project.env["AWS_S3_ENDPOINT_URL"] = f"http://127.0.0.1:{bucket.port}"
    edit_jobs(project, "retries: 50", "retries: 1")
    return sql, bucket


def edit_jobs(project, old, new):
    for path in (project.root / "jobs").glob("*.yaml"):
        path.write_text(path.read_text().replace(old, new))


def waits(project, run, asset, tries):
    """The step, once it has been tried so often and waits for the next time."""
    def look():
        step = project.steps(run)[asset]
        assert step["state"] not in ("failed", "succeeded"), step
        return step if step["state"] == "retrying" and step["attempts"][-1]["n"] >= tries else None
    return wait_until(look, f"{asset} has been tried {tries} times")


def check_night(project, upload):
    assert len(nights.table(project, "fpi_sky")) == 10 and len(nights.table(project, "fpi_laser")) == 8
    assert project.results("SELECT count(*) FROM DataSet") == [(3,)]
    assert project.results("SELECT count(*) FROM orch_effect") == [(1,)]
    assert nights.check_manifests(project) > 0
    assert not [k for k in project.keys("raw/") if upload.stem in k]
    nights.environment_is_clean(project)


def test_a_night_waits_for_a_database_that_is_away(bucket_project):
    project, upload = bucket_project, nights.night()
    sql, _ = use_lines(project)
    sql.down()
    project.start()
    nights.send(project, upload)
    run = project.tick()["runs"][0]["run"]
    step = waits(project, run, "analyze", 4)  # more often than a failure would be
    assert "Can't connect to server" in str(step["attempts"][-1]["error"])
    assert "Can't connect" in project.text("why", partition(upload))
    assert re.search(r"database +results did not answer .*Can't connect", project.text("status"))
    # Nobody else waits with it: looking, and the page, go on.
    assert project.tick()["runs"] == []
    project.kill()
    project.start()
    assert waits(project, run, "analyze", 5)
    sql.up()
    assert project.wait_run(run)["state"] == "succeeded"
    assert "did not answer" not in project.text("status")
    check_night(project, upload)


def test_a_night_waits_for_both_servers_in_its_middle(bucket_project):
    project, upload = bucket_project, nights.night()
    add_waiting_step(project)
    sql, bucket = use_lines(project)
    project.start()
    nights.send(project, upload)
    run = project.tick()["runs"][0]["run"]
    wait_until((project.root / "looking").exists, "the night is unpacked")
    sql.down()
    bucket.down()
    (project.root / "seen").touch()
    waits(project, run, "analyze", 3)
    sql.up()
    bucket.up()
    assert project.wait_run(run)["state"] == "succeeded"
    check_night(project, upload)


def test_a_database_that_breaks_off_wherever_it_hurts(bucket_project):
    project, upload = bucket_project, nights.night()
    sql, _ = use_lines(project)
    sql.cuts = [b"orch_schema", b"`fpi_sky`", b"`fpi_sky`", b"`fpi_laser`", b"`DataSet`", b"`orch_effect`", b"COMMIT", b"COMMIT"]
    run = run_one(project.start(), upload)
    assert run["state"] == "succeeded", run
    assert sql.cuts == []
    check_night(project, upload)


def test_an_outage_has_an_end(bucket_project):
    project, upload = bucket_project, nights.night()
    sql, _ = use_lines(project)
    sql.down()
    edit_jobs(project, "retries: 1", "retries: 1\n    outage: 0s")
    run = run_one(project.start(), upload)
    analyze = project.steps(run["id"])["analyze"]
    assert run["state"] == "failed" and len(analyze["attempts"]) == 2 and "Can't connect" in str(analyze["error"])
    assert f"raw/{upload.check_name}" in project.keys()
    sql.up()
    again = project.ctl("runs", "retry", run["id"], "--from-failure", "--detach")["run"]
    assert project.wait_run(again)["state"] == "succeeded"
    check_night(project, upload)


def test_who_works_without_a_daemon_does_not_wait(bucket_project):
    project, upload = bucket_project, nights.night()
    sql, _ = use_lines(project)
    sql.down()
    nights.send(project, upload)
    done = project.run(project.programs / "orchd", "-f", project.config, "--once")
    assert done.returncode == 1 and "state=failed class=transient" in done.stderr, done.stderr
    assert len(project.steps(1)["analyze"]["attempts"]) == 2


def test_the_users_own_table(bucket_project):
    """Another order of columns, one of their own, another alphabet; a second analysis changes no row's number."""
    project, upload = bucket_project, nights.night()
    project.servers.mysql.admin(f"USE {project.database}; {USERS_DATASET} CHARACTER SET latin1; "
                                "INSERT INTO DataSet (Site, SummaryImage, Comment) VALUES (9, 'of/another/site.png', 'keep')")
    assert run_one(project.start(), upload)["state"] == "succeeded"
    rows = project.results("SELECT id, Site, Instrument, StartUTTime, StopUTTime, SummaryImage, LogFile FROM DataSet WHERE Site <> 9 ORDER BY id")
    assert len(rows) == 3 and all(r[5].startswith(f"SummaryImages/{upload.date[:4]}/") and None not in r for r in rows)
    again = project.ctl("materialize", "reanalyze", "--detach", "-s", f"site={upload.site}", "-s", f"observation_date={upload.date}")["run"]
    assert project.wait_run(again)["state"] == "succeeded"
    assert project.results("SELECT id, Site, Instrument, StartUTTime, StopUTTime, SummaryImage, LogFile FROM DataSet WHERE Site <> 9 ORDER BY id") == rows
    assert project.results("SELECT Comment, LogFile FROM DataSet WHERE Site = 9") == [("keep", None)]
