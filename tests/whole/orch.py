"""A project of its own for each test: its folder, its store, its databases, its daemon, driven by orchctl.

Nothing here sleeps for luck: whatever is waited for is a condition with a deadline, and at the end of a test no process
that knows its folder is alive.
"""

import gzip
import io
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import time

SRC = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ORCH_BUILDDIR", SRC / "build"))
DEADLINE = float(os.environ.get("ORCH_TEST_DEADLINE", "60"))
ENDED = ("succeeded", "failed", "canceled")
SENSOR = "instrument_upload_sensor"


class Failed(AssertionError):
    """A program said no where yes was expected; carries all it said."""


def wait_until(condition, what, timeout=DEADLINE, pause=0.02):
    """The first true value of condition(), or a failure that names what was waited for."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"after {timeout:.0f} s still not: {what}")
        time.sleep(pause)


class Upload:
    """One night as an instrument sends it: pieces, a check file, and what went into the archive."""

    def __init__(self, stub, site, date, archive, piece_size=100_000):
        self.stub, self.site, self.date = stub, site, date
        self.instrument = f"minime{stub[3:]}"
        self.stem = f"{stub}_{site}_{date}"
        self.archive = archive
        self.pieces = {
            f"{self.stem}.tar.gz{i:06}": archive[at:at + piece_size]
            for i, at in enumerate(range(0, len(archive), piece_size))
        }
        self.check_name = f"{self.stem}.txt"

    def check(self, pieces=None, size=None):
        pieces = len(self.pieces) if pieces is None else pieces
        size = len(self.archive) if size is None else size
        first = f"{self.stem}.tar.gz000000" if pieces else f"{self.stem}.tar.gz"
        legend = "1: 1st file name\n2: Number of parts\n3: Size of tar.gz\n4: Time of Creation\n5: GB Disk Free"
        return f"{first}\n{pieces}\n{size}\n2026-04-08 15:00:12.345678\n812.43\n{legend}"

    @classmethod
    def of_files(cls, stub, site, date, files, **kw):
        """files: {name: bytes}, packed below the date's folder as the instruments do."""
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(f"{date}/{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return cls(stub, site, date, gzip.compress(raw.getvalue(), 1, mtime=0), **kw)

    @classmethod
    def of_folder(cls, folder, **kw):
        """An upload as it lies in a folder of test data."""
        check = next(pathlib.Path(folder).glob("fpi*.txt"))
        stub, site, date = check.stem.split("_")
        archive = b"".join(p.read_bytes() for p in sorted(check.parent.glob(f"{check.stem}.tar.gz*")))
        return cls(stub, site, date, archive, **kw)

    def members(self):
        with tarfile.open(fileobj=io.BytesIO(self.archive), mode="r:gz") as tar:
            return {m.name.split("/")[-1]: tar.extractfile(m).read() for m in tar if m.isfile()}


class Orch:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.config = self.root / "orch.yaml"
        self.store = self.root / "store"
        self.programs = BUILD
        self.daemon = None
        self.log = self.root / "orchd.log"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("ORCH_", "AWS_", "MYSQL_"))}

    # ---- the store as the instruments see it

    def put(self, key, data):
        path = self.store / key
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp = path.parent / f".sending-{path.name}"
        tmp.write_bytes(data if isinstance(data, bytes) else data.encode())
        tmp.rename(path)

    def put_upload(self, upload, skip=(), check=True):
        for name, data in upload.pieces.items():
            if name[-6:] not in skip:
                self.put(f"raw/{name}", data)
        if check:
            self.put(f"raw/{upload.check_name}", upload.check())

    def keys(self, prefix=""):
        found = (str(p.relative_to(self.store)) for p in self.store.rglob("*") if p.is_file())
        return sorted(k for k in found if k.startswith(prefix) and not k.startswith(".orch/"))

    def read(self, key):
        return (self.store / key).read_bytes()

    def leftovers(self):
        """What a store keeps only while something is being written."""
        return list(self.store.rglob(".tmp-*"))

    # ---- programs

    def configure(self, text):
        self.config.write_text(text)
        self.store.mkdir(exist_ok=True)
        return self

    def run(self, *args, timeout=DEADLINE, env=None):
        return subprocess.run(
            [str(a) for a in args], cwd=self.root, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=timeout, check=False)

    def orchctl(self, *args, code=0, timeout=DEADLINE):
        """What orchctl printed; code: the exit code it must have, None for any."""
        done = self.run(self.programs / "orchctl", "-f", self.config, *args, timeout=timeout)
        if code is not None and done.returncode != code:
            raise Failed(f"orchctl {' '.join(map(str, args))}: exit {done.returncode}, not {code}\n"
                         f"{done.stdout}{done.stderr}{self.tail()}")
        return done

    def text(self, *args, **kw):
        done = self.orchctl(*args, **kw)
        return done.stdout + done.stderr

    def ctl(self, *args, **kw):
        """The object that orchctl --json prints; the first one when it follows runs as well."""
        done = self.orchctl("--json", *args, **kw)
        try:
            return json.loads(done.stdout.splitlines()[0]) if done.stdout.strip() else {}
        except json.JSONDecodeError as e:
            raise Failed(f"orchctl {args}: no JSON: {e}\n{done.stdout}\n{done.stderr}") from e

    def start(self, env=None, ready=True):
        assert self.daemon is None
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(
                [str(self.programs / "orchd"), "-f", str(self.config)], cwd=self.root, env={**self.env, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            if self.daemon.poll() is not None:
                raise Failed(f"orchd ended with {self.daemon.returncode} at its start\n{self.tail()}")
            done = self.orchctl("--json", "status", code=None)
            return done.returncode == 0 and json.loads(done.stdout).get("daemon")
        wait_until(ready, "orchd answers")

    def stop(self, sig=signal.SIGTERM, timeout=DEADLINE):
        """Signal the daemon and wait for its end; its exit code."""
        self.daemon.send_signal(sig)
        try:
            code = self.daemon.wait(timeout)
        except subprocess.TimeoutExpired as e:
            raise Failed(f"orchd does not end after {signal.Signals(sig).name}{self.tail()}") from e
        self.daemon = None
        return code

    def kill(self):
        return self.stop(signal.SIGKILL)

    def tail(self, lines=40):
        try:
            text = self.log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            return ""
        return "\n--- the end of orchd's log\n" + "\n".join(text) + "\n"

    # ---- what happened

    def tick(self, sensor=SENSOR, *args):
        return self.ctl("sensors", "tick", sensor, *args)

    def runs(self, **want):
        found = self.ctl("runs", "list").get("runs", [])
        return [r for r in found if all(r.get(k) == v for k, v in want.items())]

    def show(self, run_id):
        return self.ctl("runs", "show", run_id)

    def wait_run(self, run_id, timeout=DEADLINE):
        """The run at its end."""
        def ended():
            run = self.show(run_id)
            return run if run["state"] in ENDED else None
        try:
            return wait_until(ended, f"run {run_id} has ended", timeout)
        except Failed as e:
            raise Failed(f"{e}\n{json.dumps(self.show(run_id), indent=1)[:4000]}{self.tail()}") from None

    def wait_idle(self, timeout=DEADLINE):
        """No run is under way; all runs."""
        def idle():
            runs = self.runs()
            return runs if all(r["state"] in ENDED for r in runs) else None
        return wait_until(idle, "every run has ended", timeout)

    def verdicts(self, sensor=SENSOR):
        """{key: (verdict, reason)} as the last tick left them."""
        keys = self.ctl("sensors", "keys", sensor)["keys"]
        return {k["key"]: (k["verdict"], k["reason"]) for k in keys}

    def steps(self, run_id):
        return {s["asset"]: s for s in self.show(run_id)["steps"]}

    def results(self, sql, *values):
        with sqlite3.connect(f"file:{self.root}/results.db?mode=ro", uri=True, timeout=30) as db:
            return db.execute(sql, values).fetchall()

    def columns(self, table):
        return [r[1] for r in self.results(f"PRAGMA table_info({table})")]

    # ---- the end

    def processes(self):
        """Ids of all processes that know this folder by their command line or work in it."""
        found = []
        for p in pathlib.Path("/proc").iterdir():
            if not p.name.isdigit() or int(p.name) == os.getpid():
                continue
            try:
                cmd = (p / "cmdline").read_bytes().decode(errors="replace")
                cwd = os.readlink(p / "cwd")
                state = (p / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if state != "Z" and (str(self.root) in cmd or cwd.startswith(str(self.root))):
                found.append(int(p.name))
        return found

    def program(self, name):
        """The id of a process of this program, or None."""
        for pid in self.processes():
            try:
                if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(f"/{name}".encode()):
                    return pid
            except OSError:
                pass
        return None

    def close(self, keep=False):
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon.wait()
            self.daemon = None
        end = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < end:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
        if not keep:
            shutil.rmtree(self.root, ignore_errors=True)
