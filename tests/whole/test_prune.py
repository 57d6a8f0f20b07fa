"""A history that is too long: what goes, what stays, while the daemon answers and when it dies in between.

The history is put into the state by SQL while no daemon owns it; two of its runs are real, one of them under way all the time.
"""

import sqlite3
import time

import pytest

from orch import wait_until

KEEP = 10
LONE = 700  # runs that are the only one of their partition: more than the daemon looks at in a turn
AGAIN = 6000  # runs of one partition that was done again and again: more than it removes in a turn
TICKS = 1500  # more than it removes in a turn as well
HOUR = 3600 * 1000
DAY = 24 * HOUR

CONFIG = """
state_dir: ./state
limits: {{keep_runs: {keep}, keep_ticks: 1h, drain: 200ms}}
notifications:
  later: {{type: command, on: [warnings], command: ['true']}}
assets:
  quick: {{type: exec, command: ['true'], partition: '{{night}}'}}
  slow: {{type: exec, shell: true, command: ['touch {root}/begun; while [ ! -e {root}/go ]; do sleep 0.05; done'], partition: '{{night}}'}}
jobs:
  quick_job: {{assets: [quick], partition: '{{night}}'}}
  slow_job: {{assets: [slow], partition: '{{night}}'}}
"""

TABLES = ("run", "step", "attempt", "event", "run_place", "materialization", "run_key", "tick", "outbox", "sensor_key", "trouble", "hint")


class History:
    """Fills a state database; remembers which runs must go."""

    def __init__(self, root):
        self.root, self.now, self.doomed = root, int(time.time() * 1000), set()
        self.db = sqlite3.connect(root / "state" / "state.db", timeout=30)

    def put(self, table, **row):
        self.db.execute(f"INSERT INTO {table}({', '.join(row)}) VALUES({', '.join('?' * len(row))})", tuple(row.values()))

    def add_run(self, partition, goes=False, dry_run=0):
        at = self.now - 30 * DAY
        self.put("run", job="quick_job", assets='["quick"]', partition=partition, state="succeeded", outcome="ok",
                 origin="user:test", run_key=f"key of {partition}", config="{}", tags="{}", dry_run=dry_run, created_at=at,
                 started_at=at, ended_at=at)
        run = self.db.execute("SELECT max(id) FROM run").fetchone()[0]
        self.put("step", run_id=run, asset="quick", ord=0, state="succeeded", outcome="ok", attempts=1)
        self.put("attempt", run_id=run, asset="quick", n=1, epoch=1, started_at=at, ended_at=at, outcome="ok")
        self.put("event", at=at, run_id=run, kind="run", text="succeeded")
        self.put("materialization", asset="quick", partition=partition, run_id=run, at=at, outcome="ok", metadata="{}")
        self.put("run_key", sensor="former", run_key=f"{partition} {run}", generation="g", run_id=run, at=at)
        places = partition.split("/") if partition else []
        for n in range(len(places)):
            self.put("run_place", place="/".join(places[:n + 1]), run_id=run)
        if run % 10 == 0:
            make_folder(self.root, run)
        if goes:
            self.doomed.add(run)

    def add_runs(self):
        self.add_run("busy", goes=False)  # a partition named like what others lie in
        self.add_run("rehearsed/once")
        self.add_run("rehearsed/once", dry_run=1)
        self.add_run("rehearsed/twice", goes=True, dry_run=1)
        self.add_run("rehearsed/twice")
        for _ in range(AGAIN // 2):
            self.add_run("busy/x", goes=True)
        for n in range(LONE):
            self.add_run(f"lone/{n}")
        for _ in range(AGAIN // 2):
            self.add_run("busy/x", goes=True)
        for _ in range(5):
            self.add_run("", goes=True)
        self.add_run("busy/x")
        for _ in range(KEEP):
            self.add_run("")

    def add_rest(self):
        """By age: of each kind something that goes, marked so, and something that stays."""
        for word, at in (("goes", self.now - 3 * HOUR), ("stays", self.now)):
            for n in range(TICKS if word == "goes" else 3):
                self.put("tick", sensor="former", first_at=at, last_at=at, n=1, outcome="skipped", reason=word, requested=n, duration_ms=1)
            self.put("event", at=at, kind="hold", text=word)
            for state in ("sent", "failed"):
                self.put("outbox", sink="later", event=f"{state}, {word}", kind="warnings", subject="x", data="{}", state=state,
                         created_at=at, next_at=at, ended_at=at)
            self.put("sensor_key", sensor="former", key=f"gone, {word}", verdict="complete", first_at=at, since=at, gone_at=at)
        old = self.now - 3 * HOUR
        self.put("outbox", sink="later", event="pending, stays", kind="warnings", subject="x", data="{}", created_at=old, next_at=self.now + DAY)
        for n, verdict in enumerate(("complete", "complete", "pending")):
            self.put("sensor_key", sensor="former", key=f"there {n}, stays", verdict=verdict, first_at=old, since=old)
        for word, at in (("goes", self.now - 200 * DAY), ("stays", self.now - 100 * DAY)):
            self.put("trouble", sink="later", team="", job="quick_job", label=word, since=at, told_at=at)
            self.put("hint", sensor="former", hint=word, at=at)


def make_folder(root, run):
    folder = root / "state" / "runs" / str(run) / "quick" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exit.json").write_text("{}")


def folders(root):
    return {int(p.name) for p in (root / "state" / "runs").iterdir()}


def ask(root, sql):
    db = sqlite3.connect(f"file:{root}/state/state.db?mode=ro", uri=True, timeout=30)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def ids(root, column="id", table="run"):
    return {r[0] for r in ask(root, f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")}


def prune_killed(orch, history):
    """Kill the daemon between two pieces, and leave what one killed between a commit and its folders leaves."""
    def in_the_middle():
        left = ids(orch.root) & history.doomed
        return history.doomed - left if 0 < len(left) < len(history.doomed) else None
    gone = wait_until(in_the_middle, "some of the runs are gone", pause=0.005)
    orch.kill()
    assert ids(orch.root) & history.doomed, "it was not killed in the middle"
    make_folder(orch.root, min(gone))
    orch.start()
    wait_until(lambda: min(gone) not in folders(orch.root), "what was left behind is gone")


@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "killed"])
def test_a_history_that_is_too_long(orch, killed):
    root = orch.root
    orch.configure(CONFIG.format(keep=KEEP, root=root)).start()
    under_way = orch.ctl("launch", "slow_job", "--detach", "-s", "night=long/ago")["run"]
    wait_until((root / "begun").exists, "the slow step runs")
    first = orch.wait_run(orch.ctl("launch", "quick_job", "--detach", "-s", "night=busy/x")["run"])["id"]
    orch.kill()
    history = History(root)
    history.doomed.add(first)
    with history.db:
        history.add_runs()
        history.add_rest()
    before = {table: ask(root, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
    all_runs = ids(root)
    assert folders(root) < all_runs

    orch.start(ready=not killed)
    if killed:
        prune_killed(orch, history)
    met = set()

    def all_gone():
        left = ids(root) & history.doomed
        met.add(len(left))
        orch.ctl("status", timeout=5)  # it answers meanwhile
        return not left and not ask(root, "SELECT 1 FROM tick WHERE reason = 'goes'")
    wait_until(all_gone, "the history is as short as it may be")
    assert killed or len(met) > 1, f"in one piece: {met}"

    # Folders go after the commit.
    wait_until(lambda: folders(root) <= ids(root), "no folder is without its run")
    assert ids(root) == all_runs - history.doomed
    gone = len(history.doomed)
    for table in ("step", "attempt"):
        assert ids(root, "run_id", table) == ids(root)
    for table in ("event", "run_place"):
        assert not ids(root, "run_id", table) & history.doomed
    assert ask(root, "SELECT count(DISTINCT run_id) FROM run_place WHERE place = 'busy'")[0][0] == 2
    assert ask(root, "SELECT count(*) FROM run_place WHERE place = 'lone'")[0][0] == LONE
    after = {table: ask(root, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
    assert before["run"] - after["run"] == before["step"] - after["step"] == before["attempt"] - after["attempt"] == gone
    assert after["materialization"] == before["materialization"] and after["run_key"] == before["run_key"]

    assert {r[0] for r in ask(root, "SELECT reason FROM tick WHERE sensor = 'former'")} == {"stays"}
    assert {r[0] for r in ask(root, "SELECT text FROM event WHERE run_id IS NULL")} == {"stays"}
    assert {r[0] for r in ask(root, "SELECT event FROM outbox")} == {"pending, stays", "sent, stays", "failed, stays"}
    assert {r[0] for r in ask(root, "SELECT key FROM sensor_key")} == {"gone, stays", "there 0, stays", "there 1, stays", "there 2, stays"}
    assert ask(root, "SELECT label FROM trouble") == [("stays",)] and ask(root, "SELECT hint FROM hint") == [("stays",)]

    assert ask(root, "SELECT verdict, n FROM sensor_key_count WHERE sensor = 'former' AND n <> 0 ORDER BY 1") == [("complete", 2), ("pending", 1)]
    assert ask(root, "SELECT job, state, n FROM run_count WHERE n <> 0 ORDER BY 1, 2") == \
        ask(root, "SELECT job, state, count(*) FROM run GROUP BY 1, 2 ORDER BY 1, 2")
    assert ask(root, "PRAGMA foreign_key_check") == []

    assert orch.show(under_way)["state"] == "running"
    (root / "go").touch()
    assert orch.wait_run(under_way)["state"] == "succeeded"
    history.db.close()


def test_without_a_daemon(orch):
    """Who never runs a daemon has a bounded history as well."""
    root = orch.root
    orch.configure(CONFIG.format(keep=KEEP, root=root))
    orch.orchctl("materialize", "quick", "--wait", "-s", "night=first")
    history = History(root)
    with history.db:
        for _ in range(500):
            history.add_run("", goes=True)
        for _ in range(KEEP):
            history.add_run("")
    history.db.close()

    def all_gone():
        orch.orchctl("materialize", "quick", "--wait", "-s", "night=again")
        return not ids(root) & history.doomed and folders(root) <= ids(root)
    wait_until(all_gone, "runs go while others are made")
