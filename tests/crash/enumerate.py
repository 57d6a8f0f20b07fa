#!/usr/bin/python3
"""Disturb a night at every point where a program touches the outside world, one point a round, and see that it ends right.

    enumerate.py [--sample N] [--seed S] [--jobs N] [--only SUITE...] [--production] [--build DIR] [--json FILE]

An undisturbed run counts the points of each program: writes, syncs, renames, sockets, processes (shim.c).  Then, point by
point, with a project of its own: the run is disturbed there, the daemon is started again whenever it ended, and is left
alone until the work is done.  What must hold then is what promises.py says.  The suites:

    crash      SIGKILL instead of the call               torn     SIGKILL after half of a write
    pair       a crash, and another one in the recovery  nospace  ENOSPC for 300 ms
    ioerror    the call fails once with EIO              fork     no process can be started for 300 ms

of a night (orchd, orch-step), of a night of commands (orch-exec) and of a run without a daemon (orchctl).  --production
is a suite of its own: a bucket and a server instead of a folder and a file, and connections that are cut.
--sample N takes N of all these points at random.  A round that breaks a promise keeps its folder.
"""

import argparse
import concurrent.futures
import errno
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "whole"))


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--sample", type=int, help="this many points, chosen at random")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    p.add_argument("--only", nargs="+", help="SUITE, PROGRAM, SUITE:PROGRAM, or SUITE:PROGRAM:POINT as a broken round names itself")
    p.add_argument("--pairs", type=int, default=300, help="how many pairs the whole campaign tries")
    p.add_argument("--production", action="store_true", help="the production pair, sampled")
    p.add_argument("--build", help="build directory with the programs")
    p.add_argument("--json", help="write the figures here")
    return p.parse_args()


ARGS = arguments()
if ARGS.build:
    os.environ["ORCH_BUILDDIR"] = str(pathlib.Path(ARGS.build).resolve())

import faults  # noqa: E402 - they read the environment
import scenes  # noqa: E402
from faults import CRASH, CUT, DISK, FAIL, NET, PROC, RECEIVE, TORN, WATCH  # noqa: E402
from promises import Broken  # noqa: E402

LONG_MS = 300

# name: how a point is disturbed, and which kinds of points there are to disturb
SUITES = {
    "crash": {"mode": CRASH, "kinds": DISK | NET | PROC},
    "torn": {"mode": TORN, "kinds": DISK},
    "pair": {"mode": CRASH, "kinds": DISK | NET | PROC},
    "nospace": {"mode": FAIL, "kinds": DISK, "error": errno.ENOSPC, "error_ms": LONG_MS},
    "ioerror": {"mode": FAIL, "kinds": DISK, "error": errno.EIO},
    "fork": {"mode": FAIL, "kinds": PROC, "error": errno.EAGAIN, "error_ms": LONG_MS},
}
PRODUCTION = {
    "crash": SUITES["crash"],
    "cut": {"mode": CUT, "kinds": NET | RECEIVE, "error": errno.ECONNRESET},
    "net": {"mode": FAIL, "kinds": NET | RECEIVE, "error": errno.ECONNRESET, "error_ms": LONG_MS},
}
# Which programs are disturbed in which scene.
PROGRAMS = {"orchd": "night", "orch-step": "night", "orch-exec": "commands", "orchctl": "local"}
# Points of the daemon that depend on how long a run takes, beyond those of the run that counted.
SLACK = 5


class Point:
    def __init__(self, suite, program, number, second=0):
        self.suite, self.program, self.number, self.second = suite, program, number, second

    def name(self):
        return f"{self.suite}:{self.program}:{self.number}" + (f":{self.second}" if self.second else "")


class Result:
    def __init__(self, point):
        self.point = point
        self.fired = 0
        self.recoveries = []
        self.refused = 0  # starts of the daemon that ended by themselves, with a message
        self.problem = None


def scene_of(program):
    return scenes.SCENES["production" if ARGS.production else PROGRAMS[program]]


# ---- one round

def expected_end(orch, code, point, settings):
    """Whether the daemon may end like this: killed by us, or refusing to start while its disk does not work."""
    if code == -signal.SIGKILL and settings["mode"] in (CRASH, TORN):
        return True
    return code > 0 and settings["mode"] == FAIL and orch.orders.fired(point.program) > 0


def bring_back(orch, point, settings, result):
    """The daemon ended: look at the world it left, and start the next one."""
    code = orch.daemon.wait()
    orch.daemon = None
    if not expected_end(orch, code, point, settings):
        raise Broken(f"orchd ended with {code}{orch.tail()}")
    if code > 0:
        result.refused += 1
        time.sleep(LONG_MS / 1000)  # as its supervisor would
    if point.second and orch.orders.fired("orchd") == 1:
        orch.orders.set("orchd", CRASH, after=point.second)
    elif settings["mode"] in (CRASH, TORN):
        orch.orders.set("orchd", WATCH)
    orch.start()


def play(orch, scene, point, settings, result):
    """Until the work is done, whatever happens to the daemon."""
    end = time.monotonic() + 120
    orch.orders.set(point.program, after=point.number, **settings)
    scene.begin(orch)
    while True:
        if orch.daemon is not None and orch.daemon.poll() is not None:
            scene.check_meanwhile(orch)
            bring_back(orch, point, settings, result)
        scene.check_meanwhile(orch)
        if scene.is_done(orch):
            break
        if time.monotonic() > end:
            raise Broken(f"not done after 120 s{orch.tail()}")
        time.sleep(0.02)


def look_at_end(orch, scene, point, settings, result, reference):
    """The daemon still ticks, so it may meet its point while it is asked."""
    while True:
        try:
            return scene.check_done(orch, scene.settle(orch), reference)
        except Exception:
            if orch.daemon.poll() is None:
                raise
            bring_back(orch, point, settings, result)


def stop(orch, point, settings, result):
    """An orderly end may be disturbed as well; the next daemon must then find all in order."""
    for _ in range(6):
        orch.daemon.send_signal(signal.SIGTERM)
        code = orch.daemon.wait(60)
        if code == 0:
            break
        if code == -signal.SIGTERM:  # it was not yet listening to signals
            orch.daemon = None
            orch.start()
        else:
            bring_back(orch, point, settings, result)
    else:
        raise Broken(f"orchd ended with {orch.daemon.returncode}{orch.tail()}")
    orch.daemon = None


def one_round(point, programs, settings, reference):
    scene, result = scene_of(point.program), Result(point)
    folder = tempfile.mkdtemp(prefix=f"orchd-point-{point.name().replace(':', '-')}-")
    orch = scene.make(folder, programs)
    try:
        play(orch, scene, point, settings, result)
        look_at_end(orch, scene, point, settings, result, reference)
        stop(orch, point, settings, result)
        scene.check_stopped(orch, settings["mode"] == WATCH)
    except Exception as e:  # whatever it is, it is a broken promise of this round
        result.problem = (f"{point.name()} ({orch.orders.what(point.program)}): {type(e).__name__}: {e}"
                          f"\n  kept: {orch.root}")
    result.fired = orch.orders.fired(point.program)
    result.recoveries = [r for r in orch.recoveries[1:] if r is not None]
    orch.close(keep=result.problem is not None)
    return result


# ---- the campaign

def count_run(scene, programs, kinds):
    """An undisturbed run: ({program: points}, what it leaves behind)."""
    orch = scene.make(tempfile.mkdtemp(prefix="orchd-points-"), programs)
    watch, nothing = {"mode": WATCH, "kinds": kinds}, Point("count", "orchd", 0)
    result = Result(nothing)
    try:
        for p in faults.PROGRAMS:
            orch.orders.set(p, kinds=kinds)
        play(orch, scene, nothing, watch, result)
        outcome = look_at_end(orch, scene, nothing, watch, result, None)
        stop(orch, nothing, watch, result)
        scene.check_stopped(orch, True)
        return {p: orch.orders.count(p) for p in faults.PROGRAMS}, outcome
    finally:
        orch.close()


def count_points(programs, wanted):
    """({(suite, program): points}, {scene: what an undisturbed run leaves behind})"""
    counts, references, runs = {}, {}, {}
    for suite, settings in wanted.items():
        for program in ("orchd", "orch-step") if ARGS.production else PROGRAMS:
            scene, kinds = scene_of(program), settings["kinds"]
            if not is_wanted(suite, program):
                continue
            if (scene.name, kinds) not in runs:
                runs[scene.name, kinds], references[scene.name] = count_run(scene, programs, kinds)
            counts[suite, program] = runs[scene.name, kinds][program]
    return counts, references


def is_wanted(suite, program, name=None):
    """By --only, whose words are suites, programs, both with a colon between, or points."""
    for word in ARGS.only or [suite]:
        parts = word.split(":")
        if parts[0] == (program if parts[0] in PROGRAMS else suite) and (len(parts) < 2 or parts[1] == program):
            if name is None or len(parts) < 3 or word == name:
                return True
    return False


def all_points(counts, rng):
    points = []
    for (suite, program), n in counts.items():
        if suite == "pair":
            continue
        slack = SLACK if program == "orchd" and suite == "crash" else 0
        points += [Point(suite, program, i) for i in range(1, n + slack + 1)]
    if ("pair", "orchd") in counts:
        n = counts["pair", "orchd"]
        points += [Point("pair", "orchd", rng.randint(1, n), rng.randint(1, max(n // 4, 1))) for _ in range(ARGS.pairs)]
    return points


def chosen(points, rng):
    if ARGS.only:
        points = [p for p in points if is_wanted(p.suite, p.program, p.name())]
        for name in ARGS.only:
            parts = name.split(":")
            if len(parts) == 4:  # a pair, whatever the seed
                points.append(Point(parts[0], parts[1], int(parts[2]), int(parts[3])))
    if ARGS.sample is not None and ARGS.sample < len(points):
        # Every suite and program has its share, however few its points are.
        groups = {}
        for p in points:
            groups.setdefault((p.suite, p.program), []).append(p)
        for g in groups.values():
            rng.shuffle(g)
        points = [p for row in range(ARGS.sample) for g in groups.values() for p in g[row:row + 1]][:ARGS.sample]
    rng.shuffle(points)
    return points


def summary(results, counts, seconds):
    table = {}
    for r in results:
        row = table.setdefault(f"{r.point.suite} {r.point.program}",
                               {"points": counts.get((r.point.suite, r.point.program), 0), "rounds": 0, "met": 0,
                                "violations": 0, "refused_starts": 0, "recoveries": 0, "worst_recovery_ms": 0})
        row["rounds"] += 1
        row["met"] += r.fired > 0
        row["violations"] += r.problem is not None
        row["refused_starts"] += r.refused
        row["recoveries"] += len(r.recoveries)
        row["worst_recovery_ms"] = max([row["worst_recovery_ms"]] + [round(1000 * s) for s in r.recoveries])
    print(f"{'suite':<22}{'points':>8}{'rounds':>8}{'met':>8}{'broken':>8}{'recoveries':>12}{'worst ms':>10}")
    for name, row in sorted(table.items()):
        print(f"{name:<22}{row['points']:>8}{row['rounds']:>8}{row['met']:>8}{row['violations']:>8}{row['recoveries']:>12}"
              f"{row['worst_recovery_ms']:>10}")
    return {"seconds": round(seconds), "suites": table}


def main():
    rng = random.Random(ARGS.seed)
    wanted = PRODUCTION if ARGS.production else SUITES
    folder = tempfile.mkdtemp(prefix="orchd-programs-")
    began, results = time.monotonic(), []
    try:
        programs = faults.lay_out_programs(folder)
        counts, references = count_points(programs, wanted)
        points = chosen(all_points(counts, rng), rng)
        print(f"{sum(counts.values())} points counted, {len(points)} rounds, seed {ARGS.seed}", flush=True)
        context = multiprocessing.get_context("fork")
        with concurrent.futures.ProcessPoolExecutor(ARGS.jobs, mp_context=context) as pool:
            jobs = [pool.submit(one_round, p, programs, wanted[p.suite], references[scene_of(p.program).name])
                    for p in points]
            for job in concurrent.futures.as_completed(jobs):
                results.append(job.result())
                if job.result().problem is not None:
                    print(job.result().problem, flush=True)
                elif len(results) % 100 == 0:
                    print(f"{len(results)} rounds, {time.monotonic() - began:.0f} s", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        scenes.close()
    figures = summary(results, counts, time.monotonic() - began)
    broken = sum(r.problem is not None for r in results)
    worst = max([s for r in results for s in r.recoveries], default=0)
    if ARGS.json:
        pathlib.Path(ARGS.json).write_text(json.dumps(figures, indent=1) + "\n")
    print(f"{len(results) - broken} rounds held, {broken} broke a promise, seed {ARGS.seed}, "
          f"worst recovery {1000 * worst:.0f} ms, {time.monotonic() - began:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
