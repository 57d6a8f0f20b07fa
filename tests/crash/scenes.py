"""
What is played while it is disturbed: a night, a night of commands, a run without a daemon, a night on the production pair.

A scene makes its project, begins, knows when the work is done, and says what must hold meanwhile and at the end.
"""

import atexit
import functools
import re
import subprocess

import nights
import promises
from faults import Disturbed, DisturbedOrch
from orch import ENDED, SENSOR, Failed, wait_until
from promises import Broken

COMMANDS = """
sensors:
  instrument_upload_sensor:
    type: chunked_upload
    store: data
    prefix: raw/
    every: 1s
    part: '^(?<stub>fpi(?<num>\\d{2}))_(?<site>[a-z0-9]{2,3})_(?<date>\\d{8})\\.tar\\.gz(?<part>\\d{6})$'
    check_file: '{stub}_{site}_{date}.txt'
    complete_when: [count, indices, bytes]
    run_key: 'sort-{date}-{stub}'
    job: commands
    config: {site: '{site}', observation_date: '{date}'}

assets:
  copy:
    type: exec
    shell: true
    command: ['cat "$ROOT"/store/raw/*.tar.gz* > "$ROOT"/store/.sum-$$ && mv "$ROOT"/store/.sum-$$ "$ROOT"/store/whole; echo copied']
    env: {ROOT: '@ROOT@'}
    retries: 50
    retry_delay: 20ms
    retry_max_delay: 200ms
  count:
    type: exec
    deps: [copy]
    shell: true
    command: ['wc -c < "$ROOT"/store/whole > "$ROOT"/store/.n-$$ && mv "$ROOT"/store/.n-$$ "$ROOT"/store/bytes; echo counted >&2']
    env: {ROOT: '@ROOT@'}
    retries: 50
    retry_delay: 20ms
    retry_max_delay: 200ms

jobs:
  commands: {assets: [copy, count], partition: '{site}/{observation_date}'}
"""


@functools.lru_cache(maxsize=None)
def the_night():
    return nights.night("minime05", "20260407")


class Night:
    """A folder and SQLite; the daemon's sensor finds the upload."""

    name = "night"
    has_effects = True

    def project(self, folder):
        return DisturbedOrch(folder)

    def make(self, folder, programs):
        orch = self.project(folder)
        self.prepare(orch)
        nights.send(orch, the_night())
        return orch.disturb_with(programs)

    def prepare(self, orch):
        nights.prepare(orch)
        # Ticks come by themselves, so that a kill never loses the only one.
        for path in (orch.root / "jobs").glob("*.yaml"):
            path.write_text(path.read_text().replace("every: 1h", "every: 1s"))
        orch.config.write_text(f'web: {{listen: "127.0.0.1:0"}}\n{orch.config.read_text()}')

    def begin(self, orch):
        orch.start()

    def is_done(self, orch):
        """A look at the log is cheap; what it says is asked for once it says so."""
        if not re.search(r"run \d+ state=(succeeded|failed|canceled)", self.log(orch)):
            return False
        return orch.daemon is not None and orch.daemon.poll() is None

    @staticmethod
    def log(orch):
        try:
            return orch.log.read_text(errors="replace")
        except OSError:
            return ""

    def check_meanwhile(self, orch):
        promises.check_raw(orch, the_night())

    def settle(self, orch):
        """The runs, once none is under way."""
        def runs():
            if orch.daemon.poll() is not None:
                raise Failed("the daemon has ended")
            done = orch.orchctl("--json", "runs", "list", code=None)
            if done.returncode != 0:
                return None
            return orch.runs()
        return wait_until(lambda: (r := runs()) and all(x["state"] in ENDED for x in r) and r, "the runs have ended", 60)

    def outcome(self, orch):
        return promises.outcome(orch)

    def check_done(self, orch, runs, reference):
        promises.check_runs(runs)
        got = self.outcome(orch)
        promises.check_outcome(got, reference or got)
        if self.has_effects:
            promises.check_effects(orch)
        self.check_told(orch, runs)
        return got

    def check_told(self, orch, runs):
        """orchctl, the page and the sensor tell the same story."""
        promises.check_told(orch, runs[0])
        keys = orch.ctl("sensors", "keys", SENSOR)["keys"]
        if any(k["run"] not in (None, runs[0]["id"]) for k in keys):
            raise Broken(f"keys of other runs: {keys}")

    def check_stopped(self, orch, undisturbed):
        promises.check_left(orch)
        promises.check_state(orch, attempts=undisturbed)


class Commands(Night):
    name = "commands"
    has_effects = False

    def prepare(self, orch):
        super().prepare(orch)
        for path in (orch.root / "jobs").glob("*.yaml"):
            path.write_text(COMMANDS.replace("@ROOT@", str(orch.root)))

    def outcome(self, orch):
        return {"files": {k: orch.read(k) for k in orch.keys()}}


class Local(Night):
    """orchctl materialize makes the night by itself; whatever it leaves behind, a daemon takes up."""

    name = "local"

    def prepare(self, orch):
        super().prepare(orch)
        for path in (orch.root / "jobs").glob("*.yaml"):
            text = path.read_text()
            path.write_text(re.sub(r"(?ms)^sensors:\n.*?(?=^assets:)", "", text))
        orch.client = None
        orch.answered = False

    def materialize(self, orch):
        upload = the_night()
        (orch.root / "run.yaml").write_text(
            f"config:\n  site: {upload.site}\n  observation_date: '{upload.date}'\n  instrument_name: {upload.instrument}\n")
        with open(orch.log, "ab") as log:
            return subprocess.Popen(
                [str(orch.programs / "orchctl"), "-f", str(orch.config), "launch", "analysis_job", "--config", "run.yaml"],
                cwd=orch.root, env={**orch.env, **orch.fault_env()}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def begin(self, orch):
        orch.client = self.materialize(orch)

    def is_done(self, orch):
        if orch.client.poll() is None:
            return False
        if orch.daemon is None:
            orch.start()  # the next owner
        runs = orch.runs()
        if not runs:  # it came to nothing, so it is asked for again; the daemon takes it now
            orch.orders.set("orchctl")
            orch.client = self.materialize(orch)
            return False
        return all(r["state"] in ENDED for r in runs)

    def check_told(self, orch, runs):
        promises.check_told(orch, runs[0])


@functools.lru_cache(maxsize=None)
def servers():
    from servers import Servers
    both = Servers()
    atexit.register(both.close)
    return both


def close():
    """The servers, when there are any."""
    if servers.cache_info().currsize:
        servers().close()
        servers.cache_clear()


class Production(Night):
    name = "production"

    def project(self, folder):
        import production

        class DisturbedProduction(Disturbed, production.ProductionOrch):
            def leftovers(self):
                """A probe whose delete could not be sent goes a day later."""
                return [k for k in super().leftovers() if not k.startswith(".orch/probe-")]
        return DisturbedProduction(folder, servers())

    def prepare(self, orch):
        super().prepare(orch)
        orch.use_servers()

    def check_meanwhile(self, orch):
        pass  # one listing a look would be more than the night itself


SCENES = {s.name: s for s in (Night(), Commands(), Local(), Production())}
