"""orchctl audit on both pairs: what is taken away, changed or added behind our back is found and named."""

import json
import os
import re
import shlex

import pytest

from nights import init_project, night, send
from orch import BUILD, SENSOR, Failed, wait_until
from page import Page


def analysed(project, date="20260407"):
    """A night through the whole pipeline, without a daemon; the run."""
    upload = night("minime05", date)
    send(project, upload)
    made = project.tick(SENSOR, "--wait")["runs"]
    run = project.wait_run(made[0]["run"])
    assert run["state"] == "succeeded", run
    project.tick()  # sees that the pieces are gone
    return run


def audit(project, *args, code=0):
    return project.ctl("audit", *args, code=code)


def only(report, kind, what):
    """The one finding of that kind, which is all that was found wrong."""
    found = [f for f in report["findings"] if f["kind"] in ("missing", "mismatched", "unknown")] if kind in (
        "missing", "mismatched") else [f for f in report["findings"] if f["kind"] == kind]
    assert [(f["kind"], f["what"]) for f in found] == [(kind, what)], json.dumps(report["findings"], indent=1)
    assert report["found"][kind] == 1 and found[0]["next"]
    return found[0]


class World:
    """The store and the database of a project behind orchd's back."""

    def __init__(self, project):
        self.project = project
        self.bucket = hasattr(project, "s3")

    def remove(self, key):
        if self.bucket:
            self.project.s3.delete_object(Bucket=self.project.bucket, Key=key)
        else:
            (self.project.store / key).unlink()

    def flip(self, key):
        """One byte changes; size, and whatever the store has noted besides, stay."""
        data = bytearray(self.project.read(key))
        data[len(data) // 2] ^= 1
        if self.bucket:
            kept = self.project.s3.head_object(Bucket=self.project.bucket, Key=key)
            self.project.s3.put_object(Bucket=self.project.bucket, Key=key, Body=bytes(data), Metadata=kept["Metadata"])
        else:
            with open(self.project.store / key, "r+b") as f:
                f.write(data)

    def sql(self, text):
        if self.bucket:
            self.project.servers.mysql.query_xml(self.project.database, text)
        else:
            import sqlite3
            with sqlite3.connect(self.project.root / "results.db", timeout=30) as db:
                db.execute(text)
            db.close()


@pytest.fixture
def done(project):
    project.run_done = analysed(project)
    project.world = World(project)
    return project


def test_a_clean_night_and_every_loss(done):
    """Clean; then each kind of loss alone, found by its name; and clean again once it is mended."""
    report = audit(done, "--deep")
    assert report["clean"] and report["findings"] == [] and report["scope"]["whole"]
    checked = report["checked"]
    assert checked["manifests"] == 2 and checked["effects"] == 1 and checked["tables"] == 3, checked
    assert checked["objects"] > checked["read_back"] > 20 and checked["bytes"] > 10000
    assert checked["keys"] == 1 and checked["deletions"] == 1 and checked["listed"] > 20

    picture = next(k for k in done.keys("SummaryImages/") if k.endswith("_winds.png"))
    saved = done.read(picture)
    done.world.remove(picture)
    gone = only(audit(done, code=1), "missing", "object")
    assert gone["key"] == picture and gone["where"] == "data" and gone["found"] == "nothing"
    assert gone["asset"] == "analyze" and gone["partition"] == done.run_done["partition"] and gone["run"] == done.run_done["id"]
    assert gone["expected"].startswith(f"{len(saved)} bytes, sha256 ")

    again = shlex.split(gone["next"])
    assert again[:3] == ["orchctl", "materialize", "analyze"] and "site=uao" in again
    mended = done.run(BUILD / "orchctl", "-f", done.config, "--json", *again[1:])
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert audit(done, "--deep")["clean"], "what was made again replaces what was lost"

    cloud = done.keys("cloudsensor/")[0]
    saved = done.read(cloud)
    done.world.remove(cloud)
    copy = only(audit(done, code=1), "missing", "object")
    assert copy["key"] == cloud and copy["expected"].startswith("a copy of raw/Cloud_") and copy["asset"] == "unzip"
    done.put(cloud, saved + b"newer\n")
    assert audit(done)["clean"], "a copy may have grown"

    image = done.keys("fpi/")[0]
    done.world.flip(image)
    assert audit(done)["clean"], "only its bytes tell"
    changed = only(audit(done, "--deep", code=1), "mismatched", "object")
    assert changed["key"] == image and changed["expected"] != changed["found"] and changed["asset"] == "unzip"
    done.world.flip(image)
    assert audit(done, "--deep")["clean"]

    time = done.results("SELECT min(time_utc) FROM fpi_sky")[0][0]
    done.world.sql(f"DELETE FROM fpi_sky WHERE time_utc = '{time}'")
    rows = only(audit(done, code=1), "missing", "rows")
    assert rows["key"] == "fpi_sky" and rows["where"] == "results" and rows["found"] == "9 rows" and rows["expected"].startswith("10 rows")


def test_effects_manifests_and_pictures_of_the_table(done):
    done.world.sql("DELETE FROM orch_effect")
    effect = only(audit(done, code=1), "missing", "effect")
    assert effect["found"] == "no such row in orch_effect" and effect["where"] == "results"

    done.world.sql("DELETE FROM DataSet WHERE SummaryImage LIKE '%winds%'")
    found = {(f["what"], f["key"], f["found"]) for f in audit(done, code=1)["findings"]}
    assert ("rows", "DataSet", "2 rows") in found and len(found) == 2

    manifest = next(k for k in done.keys("results/") if k.endswith(".manifest.json"))
    saved = done.read(manifest)
    done.put(manifest, saved.replace(b'"objects"', b'"obiects"'))
    changed = only(audit(done, code=1), "mismatched", "manifest")
    assert changed["key"] == manifest and changed["expected"].startswith("sha256 ")
    done.world.remove(manifest)
    gone = only(audit(done, code=1), "missing", "manifest")
    assert gone["key"] == manifest
    part = audit(done, "--asset", "unzip")
    assert part["clean"] and part["checked"]["manifests"] == 1 and not part["scope"]["whole"]
    assert audit(done, "uao/20260407", code=1)["found"]["missing"] == 1
    nothing = audit(done, "uao/20260408")
    assert nothing["clean"] and nothing["checked"]["manifests"] == 0
    assert audit(done, "--since", "2099-01-01")["checked"]["manifests"] == 0
    audit(done, "--since", "yesteryear", code=2)


def test_what_is_on_no_record(done):
    folder = os.path.dirname(done.keys("fpi/")[0])
    done.put(f"{folder}/stranger.bin", b"x" * 7)
    (done.root / "state" / "runs" / "999").mkdir()
    report = audit(done)
    assert report["clean"] and report["found"]["missing"] == 0
    extra = only(report, "extra", "object")
    assert extra["key"] == f"{folder}/stranger.bin" and extra["found"].startswith("7 bytes")
    left = only(report, "leftover", "folder")
    assert left["key"].endswith("/runs/999")


def test_raw_that_went_without_a_proof(project):
    """A piece taken before the run, and then the whole upload: nothing proved that it could go."""
    world = World(project)
    upload = night("minime05", "20260407")
    text = (project.root / "jobs" / "airglow.yaml").read_text()
    (project.root / "jobs" / "airglow.yaml").write_text(text.replace("retries: 50", "retries: 0"))
    project.config.write_text(project.config.read_text() + "\nlimits: {max_steps: 1}\n")
    run = ask_then(project, upload, lambda: world.remove(f"raw/{min(upload.pieces)}"))
    assert run["state"] == "failed", run
    project.tick()
    piece = only(audit(project, code=1), "missing", "piece")
    assert piece["key"].endswith(upload.check_name) and piece["where"] == SENSOR
    assert piece["found"] == f"{len(upload.pieces) - 1} pieces" and piece["run"] == run["id"]

    for key in project.keys("raw/"):
        world.remove(key)
    project.tick()
    gone = only(audit(project, code=1), "missing", "deletion")
    assert gone["key"].endswith(upload.check_name) and gone["partition"] == run["partition"]
    assert project.orchctl("why", gone["partition"]).returncode == 0


def ask_then(project, upload, act):
    """The sensor asks for a run; what is done before its first step begins; the run at its end."""
    blocker = project.root / "go"
    (project.root / "jobs" / "block.yaml").write_text(
        f"assets:\n  block: {{type: exec, command: [sh, -c, 'while [ ! -e {blocker} ]; do sleep 0.05; done']}}\n")
    project.start()
    held = project.ctl("materialize", "block", "--detach")["run"]
    wait_until(lambda: project.show(held)["state"] == "running", "the only slot is taken")
    send(project, upload)
    asked = project.tick()["runs"][0]["run"]
    act()
    blocker.touch()
    return project.wait_run(asked)


def test_a_night_under_way_is_not_missing(project):
    """While its run is there, half of a night is nobody's loss; the report goes to the daemon and onto the page."""
    project.config.write_text(project.config.read_text() + "\nweb: {listen: '127.0.0.1:0'}\n")
    run = analysed(project)
    world = World(project)
    go = project.root / "go"
    (project.root / "jobs" / "again.yaml").write_text(
        f"assets:\n  again: {{type: exec, command: [sh, -c, 'while [ ! -e {go} ]; do sleep 0.05; done'],"
        " partition: '{p}'}\n")
    project.start()
    world.remove(next(k for k in project.keys("SummaryImages/")))
    busy = project.ctl("materialize", "again", "--partition", run["partition"], "--detach")["run"]
    wait_until(lambda: project.show(busy)["state"] == "running", "a run of this partition is under way")
    report = audit(project)
    assert report["clean"] and report["checked"]["under_way"] == 1
    go.touch()
    project.wait_run(busy)
    assert audit(project, code=1)["found"]["missing"] == 1

    page = Page(project)
    html = page.text("/audit")
    assert "1 missing" in html and "SummaryImages/" in html and "orchctl materialize analyze" in html
    assert "The last audit found 1 missing." in page.text("/")
    kept = page.json("/api/v1/audit")
    assert [a["missing"] for a in kept["audits"]] == [1, 0] and kept["audit"]["id"] == 2
    assert page.json("/api/v1/audit?id=1")["audit"]["clean"] and page.get("/audit?id=77")[0] == 404
    assert project.ctl("audit", "--last", code=1)["findings"] == kept["audit"]["findings"]
    assert page.json("/api/v1/status")["audit"]["missing"] == 1
    audit(project, "nobody/20200101")  # of a part: does not speak for the whole
    assert page.json("/api/v1/status")["audit"]["missing"] == 1


# A command that puts objects, a manifest of them, and says so: all that it takes to be audited.
MAKER = """
import hashlib, json, os, pathlib, sys
store, n = pathlib.Path(sys.argv[1]), int(sys.argv[2])
objects = []
for i in range(n):
    key = f"made/{'long-name-' * 8}{i:04}.txt"
    data = f"object {i}".encode()
    (store / key).parent.mkdir(parents=True, exist_ok=True)
    (store / key).write_bytes(data)
    objects.append({"key": key, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})
manifest = json.dumps({"schema": "orchd/1", "objects": objects}).encode()
(store / "made/manifest.json").write_bytes(manifest)
said = {"store": "data", "manifest": {"key": "made/manifest.json", "sha256": hashlib.sha256(manifest).hexdigest()}}
with open(os.environ["ORCH_JOURNAL"], "a") as journal:
    journal.write(json.dumps({"__dagster_pipes_version": "0.1", "method": "report_asset_materialization", "params": {
        "asset_key": "maker", "data_version": None,
        "metadata": {k: {"raw_value": v, "type": "json"} for k, v in said.items()}}}) + "\\n")
"""


def test_any_command_can_be_audited_and_reports_have_an_end(orch):
    """What a script has recorded is held against it; of a thousand losses the report keeps as many as it may."""
    project = init_project(orch.root)
    (project.root / "maker.py").write_text(MAKER)
    (project.root / "jobs" / "maker.yaml").write_text(
        f"assets:\n  maker: {{type: exec, command: [/usr/bin/python3, {project.root}/maker.py, {project.store}, '600']}}\n")
    project.ctl("materialize", "maker", "--wait")
    assert "nothing is missing" not in project.text("status")
    report = audit(project, "--deep")
    assert report["clean"] and report["checked"]["read_back"] == 600 and report["checked"]["effects"] == 0
    assert "nothing is missing" in project.text("status")
    for path in (project.store / "made").glob("long*"):
        path.unlink()
    report = audit(project, code=1)
    assert report["found"]["missing"] == 600 == len(report["findings"]) and report["findings_cut"] == 0
    kept = project.ctl("audit", "--last", code=1)
    assert kept["found"]["missing"] == 600 and len(json.dumps(kept)) < 70000
    assert len(kept["findings"]) + kept["findings_cut"] == 600 and len(kept["findings"]) > 50
    assert "600 missing" in project.text("status")


def test_servers_that_are_down_are_not_losses(orch):
    """Nothing is called missing that could not be looked at; the exit code says to try again."""
    project = init_project(orch.root)
    analysed(project)
    store = project.root / "store"
    store.rename(project.root / "away")
    (project.root / "store").write_text("not a folder")
    report = audit(project, code=75)
    assert not report["clean"] and report["found"]["unknown"] > 0 and report["found"]["missing"] == 0, report
    store.unlink()
    (project.root / "away").rename(store)
    assert audit(project)["clean"]
    assert "nothing is missing" in project.text("audit")
    with pytest.raises(Failed):
        audit(project, "a", "b")


def test_an_analysis_that_fails_after_a_good_one(done):
    """It leaves what stands alone, its log has a name of its own, and goes once an analysis is good again."""
    sites = done.root / "sites-and-instruments.yaml"
    good = sites.read_text()
    again = ("materialize", "analyze", "--wait", "-s", "site=uao", "-s", "observation_date=20260407", "-s", "instrument_name=minime05")
    stands = done.keys("results/")
    log = next(k for k in stands if k.endswith(".log"))
    kept = done.read(log)

    sites.write_text(at_the_antipode(good))
    run = done.ctl(*again)
    assert run["outcome"] == "warnings" and "failed_all_processing_1_errors" in json.dumps(run), run
    failed = log.replace(".log", ".failed.log")
    assert done.keys("results/") == sorted([*stands, failed])
    assert done.read(log) == kept and b"Sun up during" in done.read(failed)
    assert audit(done, "--deep")["clean"]

    sites.write_text(good)
    assert done.ctl(*again)["outcome"] == "ok"
    assert done.keys("results/") == stands
    assert audit(done, "--deep")["findings"] == []


def test_a_first_analysis_that_fails(project):
    """There is nothing yet that a log could belong to: it has its usual name."""
    sites = project.root / "sites-and-instruments.yaml"
    good = sites.read_text()
    sites.write_text(at_the_antipode(good))
    send(project, night("minime05", "20260407"))
    project.wait_run(project.tick(SENSOR, "--wait")["runs"][0]["run"])
    assert [k.rsplit(".", 1)[1] for k in project.keys("results/")] == ["log"]


def at_the_antipode(sites):
    """The table of sites with uao where it is day when its images are taken."""
    moved = re.sub(r"(?ms)(^  uao:.*?lon_deg: )-?[0-9.]+", r"\g<1>92.0", sites, count=1)
    assert moved != sites
    return moved
