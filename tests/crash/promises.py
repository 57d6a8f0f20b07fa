"""What must hold of a night whatever was killed in it: the promises that the crash tests check."""

import contextlib
import http.client
import json
import sqlite3
import tempfile
import time
import urllib.request

import nights
from orch import ENDED, Failed, wait_until

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


def finish(orch, timeout=120):
    orch.wait_ready()

    def done():
        runs = orch.runs()
        return runs and all(r["state"] in ENDED for r in runs) and runs
    return wait_until(done, "the night is done", timeout, pause=0.05)


def check_end(orch, runs, reference):
    check_runs(runs)
    check_outcome(outcome(orch), reference)
    check_effects(orch)
    orch.stop()
    check_left(orch)
    check_state(orch)


def check_runs(runs):
    if [r["state"] for r in runs] != ["succeeded"]:
        raise Broken(f"runs: {[(r['id'], r['state'], r['error']) for r in runs]}")


def check_outcome(got, reference):
    for what, want in reference.items():
        if got[what] != want:
            raise Broken(f"{what} differ from those of an undisturbed night: {difference(got[what], want)}")


def check_effects(orch):
    nights.check_manifests(orch)
    effects = orch.results("SELECT run_uid, asset, count(*) FROM orch_effect GROUP BY 1, 2")
    if not effects or any(n != 1 for _, _, n in effects):
        raise Broken(f"effects: {effects}")


def ask_page(address, path):
    """None when the answer was cut off."""
    try:
        return json.loads(urllib.request.urlopen(f"{address.rstrip('/')}/{path}", timeout=10).read())
    except (OSError, http.client.HTTPException):
        return None


def check_told(orch, run):
    """orchctl and the page tell the same of a night that is done, and no slot is taken."""
    status = orch.ctl("status")
    page = wait_until(lambda: ask_page(status["page"], "api/v1/runs"), "the page answers", 20)
    told = [(r["id"], r["state"], r["outcome"]) for r in page["runs"]]
    if told != [(run["id"], run["state"], run["outcome"])]:
        raise Broken(f"the page tells {told} of {run}")
    why = orch.ctl("why", run["partition"])
    if [(r["id"], r["state"]) for r in why["runs"]] != [(run["id"], "succeeded")] or not why["lines"]:
        raise Broken(f"orchctl why: {why}")
    steps = orch.steps(run["id"])
    if any(s["state"] != "succeeded" for s in steps.values()):
        raise Broken(f"steps of a run that succeeded: {steps}")
    if status["runs"] != {"queued": 0, "running": 0} or status["steps_running"]:
        raise Broken(f"slots are taken: {status}")


def check_left(orch):
    wait_until(lambda: not orch.processes(), "no process is left", 20)
    nights.environment_is_clean(orch)
    temporary = [p for p in orch.root.rglob(".tmp-*") if "store" not in p.relative_to(orch.root).parts]
    if temporary:
        raise Broken(f"temporary files: {temporary[:5]}")


def check_state(orch, attempts=False):
    """The database of a daemon that ended: whole, nothing open, and every failure was one that passes."""
    with contextlib.closing(sqlite3.connect(orch.root / "state" / "state.db")) as db:
        def one(sql):
            return db.execute(sql).fetchall()
        if one("PRAGMA integrity_check") != [("ok",)] or one("PRAGMA foreign_key_check"):
            raise Broken(f"state.db: {one('PRAGMA integrity_check')}")
        if one("SELECT count(*) FROM attempt WHERE ended_at IS NULL") != [(0,)]:
            raise Broken("an attempt is open")
        lost = [c for (c,) in one("SELECT DISTINCT err_class FROM attempt WHERE err_class IS NOT NULL")]
        if set(lost) - {"transient"}:
            raise Broken(f"failures that do not pass: {one('SELECT err_class, err_code, err_text FROM attempt')}")
        if attempts and one("SELECT count(*) FROM attempt") != one("SELECT count(*) FROM step"):
            raise Broken("an undisturbed run had more attempts than steps")


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
