"""Secrets in the memory of programs: not in what the kernel shows of it, nor in what a core file would hold."""

import contextlib
import os
import pathlib
import resource
import signal
import socketserver
import subprocess
import threading

import nights
from memory import environ, holds, may_look_into, memory
from orch import wait_until

CANARY = "canary" + "0123456789abcdef" * 2


class Silent:
    """A server that takes every request and never answers, so that whoever asks keeps what it holds."""

    def __enter__(self):
        self.requests, self.over = [], threading.Event()
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    outer.requests.append(self.request.recv(65536).split(b"\r\n", 1)[0])
                outer.over.wait()
        socketserver.ThreadingTCPServer.daemon_threads = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def end_by_fault(process):
    """Whether the kernel says that it dumped a core."""
    os.kill(process.pid, signal.SIGSEGV)
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT).si_code == os.CLD_DUMPED


@contextlib.contextmanager
def cores_allowed():
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        yield hard != 0
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def project_on(orch, port):
    nights.prepare(orch, quick_retries=False)
    text = orch.config.read_text()
    store = f"{{type: s3, bucket: nights, endpoint: 'http://127.0.0.1:{port}', region: us-east-1, path_style: true}}"
    orch.config.write_text(text.replace("{type: dir, path: ./store}", store))
    for path in (orch.root / "jobs").glob("*.yaml"):
        path.write_text(path.read_text().replace("every: 1h", "every: 1s"))
    orch.env |= {"AWS_ACCESS_KEY_ID": "canaryid", "AWS_SECRET_ACCESS_KEY": CANARY}


def test_a_fault_leaves_no_secret_behind(orch):
    with Silent() as server, cores_allowed() as allowed:
        project_on(orch, server.port)
        control = subprocess.Popen(["/bin/sleep", "1000"], cwd=orch.root, env=orch.env)
        orch.start()
        wait_until(lambda: server.requests, "the sensor lists")
        asked = len(server.requests)
        run = orch.ctl("materialize", "unzip", "--detach", "--set", "site=uao", "--set", "observation_date=20260407",
                       "--set", "instrument_name=minime05")["run"]
        step = wait_until(lambda: orch.program("orch-step"), "the step runs")
        wait_until(lambda: len(server.requests) > asked, "the step asks the store")

        wait_until(lambda: CANARY.encode() in environ(control.pid), "the search finds what is there")
        for pid in (orch.daemon.pid, step):
            if may_look_into(pid):
                assert CANARY.encode() not in environ(pid)
                dumped, left_out = memory(pid)
                assert holds(left_out, CANARY) and holds(dumped, str(orch.root)), "the search finds what is there"
                assert not holds(dumped, CANARY), f"of {pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()}"

        assert end_by_fault(control) == allowed, "a core is dumped where it is not prevented"
        control.wait()
        for core in orch.root.rglob("core*"):
            core.unlink()
        os.kill(step, signal.SIGSEGV)
        failed = orch.wait_run(run)
        assert "crashed by signal 11" in str(failed["error"])
        assert not end_by_fault(orch.daemon)
        orch.daemon.wait()
        orch.daemon = None
        assert not list(orch.root.rglob("core*"))
        for path in orch.root.rglob("*"):
            assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_a_supervisor_forgets_what_it_handed_on(orch):
    orch.configure(f"""
state_dir: ./state
assets:
  look: {{type: exec, shell: true, pass_env: [CANARY], command: ['test -n "$CANARY" && touch {orch.root}/begun && exec sleep 1000']}}
""")
    orch.env["CANARY"] = CANARY
    orch.start()
    run = orch.ctl("materialize", "look", "--detach")["run"]
    wait_until((orch.root / "begun").exists, "the command runs")
    supervisor = wait_until(lambda: orch.program("orch-exec"), "its supervisor is there")
    for pid in (supervisor, orch.daemon.pid):
        if may_look_into(pid):
            assert CANARY.encode() not in environ(pid)
            assert not holds(memory(pid)[0], CANARY)
    orch.ctl("runs", "cancel", run)
    assert orch.wait_run(run)["state"] == "canceled"
