"""Sensors, runs and steps as they are seen from outside, on pipelines of small commands."""

import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import time
import urllib.parse
import urllib.request

import pytest

from orch import SENSOR, Failed, Upload, wait_until

HEAD = """
state_dir: ./state
limits: {drain: 200ms}
stores:
  data: {type: dir, path: ./store}
databases:
  results: {type: sqlite, path: ./results.db}
"""

SENSORS = r"""
sensors:
  instrument_upload_sensor:
    type: chunked_upload
    store: data
    prefix: raw/
    every: 1h
    part: '^(?<stub>fpi(?<num>\d{2}))_(?<site>[a-z0-9]{2,3})_(?<date>\d{8})\.tar\.gz(?<part>\d{6})$'
    check_file: '{stub}_{site}_{date}.txt'
    run_key: 'sort-{date}-{stub}'
    partition: '{site}/{date}/minime{num}'
    job: night
    config: {site: '{site}', observation_date: '{date}'}
"""

# A step that says that it is there, then waits for a file named go.
WAITING = "touch {root}/begun.$ORCH_ATTEMPT; while [ ! -e {root}/go ]; do sleep 0.02; done"


def pipeline(orch, **assets):
    """A job `night` of shell commands, one after the other; a value may be (command, options)."""
    lines, names = [], list(assets)
    for i, (name, what) in enumerate(assets.items()):
        command, options = what if isinstance(what, tuple) else (what, "")
        command = command.replace("{root}", str(orch.root)).replace("'", "''")
        deps = f"deps: [{names[i - 1]}], " if i else ""
        options = f"{options}, " if options else ""
        lines.append(f"  {name}: {{type: exec, shell: true, {deps}{options}command: ['{command}']}}")
    orch.configure(HEAD + SENSORS + "assets:\n" + "\n".join(lines) + f"\njobs:\n  night: {{assets: [{', '.join(names)}]}}\n")
    return orch


def night(stub="fpi05", date="20260407", **kw):
    return Upload(stub, "uao", date, os.urandom(1000), piece_size=300, **kw)


def launch(orch, *args):
    return orch.ctl("launch", "night", "--detach", *args)["run"]


def attempts(orch, run, asset):
    return len(orch.steps(run)[asset]["attempts"])


def wait_for_file(path):
    wait_until(path.exists, f"{path.name} is there")


# ---- sensors

def test_a_whole_upload_starts_one_run(orch):
    pipeline(orch, work="echo done").start()
    up = night()
    orch.put_upload(up, skip=["000002"])
    assert orch.tick()["runs"] == []
    verdict, reason = orch.verdicts()[f"raw/{up.check_name}"]
    assert verdict == "pending" and "3 of 4 pieces" in reason and "000002 missing" in reason
    orch.put_upload(up)
    started = orch.tick()["runs"]
    assert len(started) == 1
    run = orch.wait_run(started[0]["run"])
    assert (run["state"], run["job"], run["partition"]) == ("succeeded", "night", "uao/20260407/minime05")
    assert run["config"] == {"site": "uao", "observation_date": "20260407"}
    assert orch.tick()["runs"] == []
    assert orch.verdicts()[f"raw/{up.check_name}"][0] == "complete"
    assert len(orch.runs()) == 1


def test_check_file_before_the_pieces(orch):
    pipeline(orch, work="true").start()
    up = night()
    orch.put(f"raw/{up.check_name}", up.check())
    assert orch.tick()["runs"] == []
    orch.put_upload(up, check=False)
    assert len(orch.tick()["runs"]) == 1


def test_two_instruments_of_one_site(orch):
    pipeline(orch, work="true").start()
    for stub in ("fpi05", "fpi13"):
        orch.put_upload(night(stub))
    runs = [orch.wait_run(r["run"]) for r in orch.tick()["runs"]]
    assert sorted(r["partition"] for r in runs) == ["uao/20260407/minime05", "uao/20260407/minime13"]
    assert all(r["state"] == "succeeded" for r in runs)


def test_a_dry_tick_starts_nothing(orch):
    pipeline(orch, work="true").start()
    orch.put_upload(night())
    assert len(orch.tick(SENSOR, "--dry-run")["runs"]) == 1
    assert orch.runs() == []
    assert len(orch.tick()["runs"]) == 1


def test_a_sensor_ticks_by_itself_and_can_be_paused(orch):
    pipeline(orch, work="true")
    orch.config.write_text(orch.config.read_text().replace("every: 1h", "every: 100ms"))
    orch.start()
    orch.put_upload(night("fpi05"))
    wait_until(lambda: len(orch.runs()) == 1, "the sensor ticks by itself")
    orch.ctl("sensors", "pause", SENSOR)
    orch.put_upload(night("fpi06"))
    orch.stop()
    orch.start()
    assert orch.ctl("sensors", "list")["sensors"][0]["paused"]
    assert len(orch.runs()) == 1
    orch.ctl("sensors", "resume", SENSOR)
    wait_until(lambda: len(orch.runs()) == 2, "the sensor ticks again")


def test_a_duplicate_upload_is_not_run_again(orch):
    pipeline(orch, work="rm -f {root}/store/raw/fpi*").start()
    up = night()
    orch.put_upload(up)
    orch.wait_run(orch.tick()["runs"][0]["run"])
    orch.put_upload(up)
    assert orch.tick()["runs"] == []
    assert len(orch.runs()) == 1


# ---- runs and steps

def test_steps_run_in_order_and_log(orch):
    pipeline(orch, one="echo first >>{root}/order", two="echo second >>{root}/order; echo to-the-log >&2").start()
    run = orch.wait_run(launch(orch))
    assert run["state"] == "succeeded"
    assert (orch.root / "order").read_text() == "first\nsecond\n"
    assert "to-the-log" in orch.text("runs", "logs", run["id"])


def test_what_may_pass_is_tried_again(orch):
    pipeline(orch, work=("[ $ORCH_ATTEMPT -ge 3 ] || exit 75", "retries: 2, retry_delay: 50ms")).start()
    run = orch.wait_run(launch(orch))
    assert run["state"] == "succeeded" and attempts(orch, run["id"], "work") == 3


def test_a_failure_skips_what_depends_on_it_and_can_be_retried(orch):
    pipeline(orch, one="echo x >>{root}/ones", two=("[ -e {root}/go ]", "retries: 0"), three="true").start()
    first = orch.wait_run(launch(orch))
    assert first["state"] == "failed"
    assert [s["state"] for s in first["steps"]] == ["succeeded", "failed", "skipped"]
    (orch.root / "go").touch()
    again = orch.wait_run(orch.ctl("runs", "retry", first["id"], "--from-failure", "--detach")["run"])
    assert again["state"] == "succeeded" and again["retry_of"] == first["id"]
    assert "every step of run" in orch.text("runs", "retry", again["id"], "--from-failure", code=4), "there is nothing to do"
    assert (orch.root / "ones").read_text() == "x\n"


def test_cancel_ends_the_process(orch):
    pipeline(orch, work=WAITING).start()
    run = launch(orch)
    wait_for_file(orch.root / "begun.1")
    orch.ctl("runs", "cancel", run)
    assert orch.wait_run(run)["state"] == "canceled"
    wait_until(lambda: orch.processes() == [orch.daemon.pid], "only the daemon is left")


def test_the_exit_code_of_a_waiting_client(orch):
    pipeline(orch, work="[ -e {root}/go ] || exit 1").start()
    orch.text("launch", "night", "--wait", code=1)
    (orch.root / "go").touch()
    orch.text("launch", "night", "--wait", code=0)


# ---- the daemon goes, the step stays

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_a_step_outlives_the_daemon(orch, sig):
    pipeline(orch, work=WAITING, after="true").start()
    run = launch(orch)
    wait_for_file(orch.root / "begun.1")
    orch.stop(sig)
    assert orch.processes(), "the step still runs"
    orch.start()
    assert orch.show(run)["state"] == "running"
    (orch.root / "go").touch()
    assert orch.wait_run(run)["state"] == "succeeded"
    assert attempts(orch, run, "work") == 1
    assert not (orch.root / "begun.2").exists()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_sixteen_steps_change_hands(orch, sig):
    pipeline(orch, **{f"work{i}": WAITING.replace("begun", f"begun{i}") for i in range(16)})
    text = re.sub(r"deps: \[\w+\], ", "", orch.config.read_text())
    orch.config.write_text(text.replace("limits: {", "limits: {max_steps: 16, "))
    orch.start()
    run = launch(orch)
    wait_until(lambda: len(list(orch.root.glob("begun*.1"))) == 16, "all of them run")
    supervisors = [p for p in orch.processes() if "/orch-exec" in command_of(p)]
    assert len(supervisors) == 16
    orch.stop(sig)
    began = time.monotonic()
    orch.start()
    took = time.monotonic() - began
    log = orch.log.read_text()
    assert log.count(" adopted pid=") == 16
    assert all(s["state"] == "running" for s in orch.steps(run).values())
    assert all(alive(p) for p in supervisors)
    (orch.root / "go").touch()
    assert orch.wait_run(run)["state"] == "succeeded"
    assert all(len(s["attempts"]) == 1 for s in orch.steps(run).values()) and not list(orch.root.glob("begun*.2"))
    assert took < 5, took


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_a_step_that_ended_while_there_was_no_daemon(orch):
    pipeline(orch, work=WAITING, after="true").start()
    run = launch(orch)
    wait_for_file(orch.root / "begun.1")
    orch.kill()
    (orch.root / "go").touch()
    wait_until(lambda: orch.processes() == [], "the step has ended")
    orch.start()
    assert orch.wait_run(run)["state"] == "succeeded"
    assert attempts(orch, run, "work") == 1


def test_a_killed_step_is_tried_again(orch):
    pipeline(orch, work=(WAITING, "retries: 3, retry_delay: 50ms")).start()
    run = launch(orch)
    wait_for_file(orch.root / "begun.1")
    for pid in orch.processes():
        if pid != orch.daemon.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    wait_for_file(orch.root / "begun.2")
    (orch.root / "go").touch()
    assert orch.wait_run(run)["state"] == "succeeded"


def again_after(seconds):
    """A command that does its work once the time it asked for has come."""
    say = ('{"__dagster_pipes_version": "0.1", "method": "report_custom_message",'
           ' "params": {"payload": {"again": {"at": "%s", "text": "the dome is shut"}}}}')
    return (f"due={{root}}/due.$ORCH_PARTITION; [ -e $due ] || date -u -d '+{seconds} seconds' +%Y-%m-%dT%H:%M:%SZ > $due; "
            f"[ $(date +%s) -ge $(date -d $(cat $due) +%s) ] || printf '{say}\\n' $(cat $due) >> $ORCH_JOURNAL")


def test_a_step_may_ask_to_be_taken_up_again_later(orch):
    pipeline(orch, work=(again_after(6), "retries: 0"), after="echo done")
    orch.config.write_text(orch.config.read_text().replace("limits: {", "limits: {max_runs: 1, "))
    orch.start()
    run = launch(orch, "--partition", "a")

    def step():
        return orch.steps(run)["work"]
    wait_until(lambda: step()["state"] == "retrying", "the step waits")
    assert step()["wait_reason"] == "the dome is shut" and step()["not_before"] and step()["attempts"][0]["outcome"] == "again"
    assert "the dome is shut" in orch.text("runs", "show", run)
    orch.kill()
    orch.start()
    assert step()["wait_reason"] == "the dome is shut"
    # It takes no slot meanwhile, but nobody else gets its partition.
    (orch.root / "due.b").write_text("2020-01-01T00:00:00Z")
    same, other = launch(orch, "--partition", "a"), launch(orch, "--partition", "b")
    assert orch.wait_run(other)["state"] == "succeeded"
    assert "waits to go on" in orch.show(same)["wait_reason"]
    ended = orch.wait_run(run)
    assert ended["state"] == "succeeded" and ended["error"] is None
    assert [a["outcome"] for a in orch.steps(run)["work"]["attempts"]] == ["again", "ok"]
    assert orch.wait_run(same)["state"] == "succeeded"


def test_a_waiting_step_can_be_canceled(orch):
    pipeline(orch, work=(again_after(3600), "retries: 0")).start()
    run = launch(orch)
    wait_until(lambda: orch.steps(run)["work"]["state"] == "retrying", "the step waits")
    orch.ctl("runs", "cancel", run)
    assert orch.wait_run(run)["state"] == "canceled"


@pytest.mark.parametrize("daemon", ["alive", "dead"])
def test_what_a_killed_supervisor_leaves_behind(orch, daemon):
    left = "setsid sh -c 'echo $$ > {root}/left.$ORCH_ATTEMPT; exec sleep 1000' > /dev/null 2>&1 &"
    pipeline(orch, work=(f"[ $ORCH_ATTEMPT -gt 1 ] || {{ {left} sleep 1000; }}", "retries: 3, retry_delay: 20ms")).start()
    run = launch(orch)
    wait_until(lambda: (orch.root / "left.1").exists() and (orch.root / "left.1").read_text().strip(), "it has forked away")
    orphan = int((orch.root / "left.1").read_text())
    supervisor = orch.program("orch-exec")
    if daemon == "dead":
        orch.kill()
    os.kill(supervisor, signal.SIGKILL)
    killed, at = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    if daemon == "dead":
        orch.start()
    wait_until(lambda: not alive(orphan), "the orphan is gone", timeout=10)
    took = time.monotonic() - killed
    assert orch.wait_run(run)["state"] == "succeeded"
    first = orch.steps(run)["work"]["attempts"][0]
    assert first["error"]["class"] == "transient" and first["error"]["code"] == "no_record"
    assert took < 5, took
    verdict = datetime.datetime.fromisoformat(first["ended_at"].replace("Z", "+00:00")) - at
    assert verdict.total_seconds() < (5 if daemon == "dead" else 1), verdict


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_step_killed_with_the_daemon_is_tried_again(orch):
    pipeline(orch, work=(WAITING, "retries: 3, retry_delay: 50ms")).start()
    run = launch(orch)
    wait_for_file(orch.root / "begun.1")
    orch.kill()
    for pid in orch.processes():
        # The supervisor's end may have taken the command along already.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    (orch.root / "go").touch()
    orch.start()
    assert orch.wait_run(run)["state"] == "succeeded"


# ---- programs

def test_a_second_daemon_is_refused(orch):
    pipeline(orch, work="true").start()
    assert orch.run(orch_program("orchd"), "-f", orch.config).returncode == 5
    assert orch.ctl("status")["daemon"]


def orch_program(name):
    from orch import BUILD
    return BUILD / name


def test_exit_codes(orch):
    pipeline(orch, work="true")
    orch.text("launch", "night", "--detach", code=5)
    orch.start()
    orch.text("runs", "show", "4711", code=3)
    orch.text("sensors", "tick", "nosuch", "--wait", code=3)
    orch.text("nosuch", code=2)
    orch.text("launch", "nosuch", code=3)


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def test_a_broken_configuration(orch):
    pipeline(orch, work="true")
    orch.config.write_text(f'web: {{listen: "127.0.0.1:0"}}\n{orch.config.read_text()}')
    orch.start()
    page = orch.ctl("status")["page"]
    good = orch.config.read_text()
    orch.config.write_text(good + "\nstores_: {}\n")
    assert orch.run(orch_program("orchd"), "-f", orch.config, "--check").returncode == 7
    said = orch.text("validate", code=7)
    assert "orch.yaml:" in said and "stores_" in said
    orch.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: "stores_" in orch.tail(), "the problem is in the log")
    problem = json.loads(fetch(f"{page}api/v1/status"))["config_problem"]
    assert "orch.yaml:" in problem and "stores_" in problem
    assert "the one before it stays in use" in fetch(page)
    orch.config.write_text(good)
    assert "stores_" in orch.text("status"), "it was not read again"
    assert orch.wait_run(launch(orch))["state"] == "succeeded"
    orch.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: orch.ctl("status")["config_problem"] is None, "the good one is in use")


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_definitions_that_go_while_a_run_is_under_way(orch, how):
    pipeline(orch, work=WAITING, after="echo done").start()
    run = launch(orch)
    wait_for_file(orch.root / "begun.1")
    pipeline(orch, other="true")
    if how == "reload":
        orch.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: " reload: " in orch.tail(), "the new one is in use")
    else:
        orch.kill()
        orch.start()
    (orch.root / "go").touch()
    ended = orch.wait_run(run)
    assert orch.steps(run)["work"]["state"] == "succeeded", "what ran already is not lost"
    if how == "reload":
        assert ended["state"] == "succeeded", "a run keeps the definitions it began with"
    else:
        assert ended["state"] == "failed" and "no longer in the configuration" in ended["error"]["text"]
    assert orch.wait_run(launch(orch))["state"] == "succeeded"


def test_without_a_daemon_the_work_is_done_in_place(orch):
    pipeline(orch, work="echo here >>{root}/order")
    orch.text("launch", "night", "--wait")
    orch.put_upload(night())
    assert len(orch.tick()["runs"]) == 1
    assert (orch.root / "order").read_text().startswith("here\n")


def test_what_a_test_would_overlook():
    with pytest.raises(Failed):
        wait_until(lambda: False, "never", timeout=0.05)


def test_steps_are_started_apart_from_readers(orch):
    """However many readers are connected, the thread that starts steps holds none of their descriptors."""
    pipeline(orch, a="ls -l /proc/$PPID/fd")
    orch.config.write_text(orch.config.read_text() + "\nweb: {listen: '127.0.0.1:0', max_connections: 200, max_per_peer: 200}\n")
    orch.start()
    where = urllib.parse.urlsplit(wait_until(lambda: orch.ctl("status").get("page"), "the page has an address"))
    with contextlib.ExitStack() as readers:
        for _ in range(100):
            readers.enter_context(socket.create_connection((where.hostname, where.port)))
        tables = pathlib.Path(f"/proc/{orch.daemon.pid}/task")

        def sizes():
            return sorted(len(os.listdir(t / "fd")) for t in tables.iterdir())

        wait_until(lambda: max(sizes()) > 100, "all readers are connected")
        run = launch(orch)
        assert orch.wait_run(run)["state"] == "succeeded"
        assert len(sizes()) > 1 and min(sizes()) <= 8, sizes()
        logs = "".join(log["text"] for log in orch.ctl("runs", "logs", run)["logs"] if log["stream"] == "stdout")
        assert "/dev/null" in logs and "socket:" not in logs, logs
