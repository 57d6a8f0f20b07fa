#!/usr/bin/python3
"""Kill the daemon, a step, or both, at random instants of a night, and see that nothing is lost and nothing is done twice.

    crash.py [--rounds N] [--seed S] [--jobs N] [--build DIR]

Each round sends one small synthetic night to a fresh project and disturbs it one to four times with SIGKILL; then the
daemon is left alone until the night is done.  What must hold at every instant: raw data is gone only if its results are
durable.  What must hold at the end: the night has one run and it succeeded; results, images and rows are those of an undisturbed
night; every object is what its manifest says; nothing is left over, no process, no temporary file.

A round that breaks a promise keeps its folder and prints the seed that repeats it.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "whole"))


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=200)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    p.add_argument("--build", help="build directory with the programs")
    return p.parse_args()


ARGS = arguments()
if ARGS.build:
    os.environ["ORCH_BUILDDIR"] = str(pathlib.Path(ARGS.build).resolve())

import nights  # noqa: E402 - it reads the environment
from promises import check_end, check_raw, finish, project, reference_night  # noqa: E402


def kill_some(orch, rng):
    """SIGKILL the daemon, steps, or all; says what."""
    what = rng.choice(("daemon", "step", "both"))
    victims = orch.processes() if what != "daemon" else []
    victims = [p for p in victims if orch.daemon is None or p != orch.daemon.pid]
    if what == "step" and not victims:
        what = "daemon"  # none is there at this instant
    if what in ("daemon", "both") and orch.daemon is not None:
        orch.kill()
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return what


def disturb(orch, upload, rng, span, story):
    for _ in range(rng.randint(1, 4)):
        time.sleep(rng.uniform(0, span))
        story.append(kill_some(orch, rng))
        check_raw(orch, upload)
        if orch.daemon is None:
            orch.start(ready=False)
            if rng.random() < 0.3:  # again, inside the recovery
                time.sleep(rng.uniform(0, 0.05))
                orch.kill()
                story.append("daemon in recovery")
                check_raw(orch, upload)
                orch.start(ready=False)


def one_round(seed, upload, reference, took):
    """None, or what went wrong."""
    rng = random.Random(seed)
    orch = project(tempfile.mkdtemp(prefix=f"orchd-crash-{seed}-"))
    story = []
    try:
        orch.start()
        nights.send(orch, upload)
        disturb(orch, upload, rng, took * 0.6, story)
        check_end(orch, finish(orch), reference)
    except Exception as e:  # whatever it is, it is a broken promise of this round
        orch.close(keep=True)
        return f"round with seed {seed} ({', '.join(story)}): {type(e).__name__}: {e}\n  kept: {orch.root}"
    orch.close()
    return None


def main():
    upload = nights.night("minime05", "20260407")
    reference, took = reference_night(upload)
    print(f"undisturbed: {took:.2f} s, {len(reference['images'])} images, "
          f"{sum(map(len, reference['rows'].values()))} rows", flush=True)
    seeds = [ARGS.seed + i for i in range(ARGS.rounds)]
    began, failures, done = time.monotonic(), [], 0
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(ARGS.jobs, mp_context=context) as pool:
        for failure in concurrent.futures.as_completed(
                [pool.submit(one_round, s, upload, reference, took) for s in seeds]):
            done += 1
            if failure.result() is not None:
                failures.append(failure.result())
                print(failure.result(), flush=True)
            elif done % 20 == 0:
                print(f"{done} rounds, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{ARGS.rounds - len(failures)} rounds held, {len(failures)} broke a promise, seeds {seeds[0]}..{seeds[-1]}, "
          f"{time.monotonic() - began:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
