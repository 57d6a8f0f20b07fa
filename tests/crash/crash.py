#!/usr/bin/env python3
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
import shutil
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
from orch import Failed, wait_until  # noqa: E402

TABLES = ("DataSet", "fpi_sky", "fpi_laser")


class Broken(Exception):
    """A promise that did not hold."""


def project(root):
    orch = nights.init_project(root)
    # Ticks come by themselves, so that a kill never loses the only one.
    for path in (orch.root / "jobs").glob("*.yaml"):
        path.write_text(path.read_text().replace("every: 1h", "every: 200ms"))
    return orch


def outcome(orch):
    """What a night leaves behind, without what may differ between two runs of it."""
    images = {k: orch.read(k) for k in orch.keys("fpi/")}
    # Text and pictures are functions of the images; the others name their run.
    products = {k: orch.read(k) for k in orch.keys() if k.endswith((".png",)) or k.startswith("madrigal/")}
    return {
        "keys": [k for k in orch.keys()],
        "images": images,
        "products": products,
        "rows": {t: nights.table(orch, t) for t in TABLES},
    }


def results_are_durable(orch):
    """Manifest in the store, its objects as it says, its effect row in the database."""
    found = nights.manifests(orch)
    if not found:
        return False
    nights.check_manifests(orch)
    effects = {r[0] for r in orch.results("SELECT asset FROM orch_effect")}
    return all(m["asset"] in effects for m in found.values())


def check_raw(orch, upload):
    """Raw data may be incomplete only once the results are durable."""
    sent = set(upload.pieces) | {upload.check_name}
    gone = [n for n in sent if not (orch.store / "raw" / n).exists()]
    if gone and not results_are_durable(orch):
        raise Broken(f"raw data gone before its results were durable: {sorted(gone)}")


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


def finish(orch, timeout=120):
    orch.wait_ready()

    def done():
        runs = orch.runs()
        return runs and all(r["state"] in ("succeeded", "failed", "canceled") for r in runs) and runs
    return wait_until(done, "the night is done", timeout, pause=0.05)


def check_end(orch, runs, reference):
    if [r["state"] for r in runs] != ["succeeded"]:
        raise Broken(f"runs: {[(r['id'], r['state'], r['error']) for r in runs]}")
    got = outcome(orch)
    for what, want in reference.items():
        if got[what] != want:
            raise Broken(f"{what} differ from those of an undisturbed night: {difference(got[what], want)}")
    nights.check_manifests(orch)
    effects = orch.results("SELECT run_uid, asset, count(*) FROM orch_effect GROUP BY 1, 2")
    if not effects or any(n != 1 for _, _, n in effects):
        raise Broken(f"effects: {effects}")
    orch.stop()
    wait_until(lambda: not orch.processes(), "no process is left", 20)
    nights.environment_is_clean(orch)


def difference(got, want):
    if isinstance(want, dict):
        keys = sorted(k for k in set(got) | set(want) if got.get(k) != want.get(k))
        return f"{len(keys)} of {len(want)}: {keys[:4]}"
    return f"only now {sorted(set(got) - set(want))[:4]}, only before {sorted(set(want) - set(got))[:4]}"


def reference_night(upload):
    orch = project(tempfile.mkdtemp(prefix="orchd-crash-ref-"))
    try:
        orch.start()
        began = time.monotonic()
        nights.send(orch, upload)
        runs = finish(orch)
        took = time.monotonic() - began
        if [r["state"] for r in runs] != ["succeeded"]:
            raise Failed(f"the undisturbed night did not succeed: {runs}{orch.tail()}")
        return outcome(orch), took
    finally:
        orch.close()


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
