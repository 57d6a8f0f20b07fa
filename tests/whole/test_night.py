"""Whole nights of the airglow pipeline, on the embedded pair and on servers, from the instrument's files to the cleaned-up store."""

import json
import re
import signal

import pytest

import nights
from orch import Upload, wait_until

RESULT_KINDS = (".h5", ".npz", ".log", ".manifest.json")


def partition(upload):
    return f"{upload.site}/{upload.date}/{upload.instrument}"


def run_one(orch, upload):
    """Send, tick, and wait: the run at its end."""
    nights.send(orch, upload)
    started = orch.tick()["runs"]
    assert len(started) == 1, started
    return orch.wait_run(started[0]["run"])


def states(run):
    return {s["asset"]: s["state"] for s in run["steps"]}


def test_full_night(project):
    upload = nights.night()
    run = run_one(project.start(), upload)
    assert run["state"] == "succeeded", run
    assert states(run) == {"unzip": "succeeded", "analyze": "succeeded", "cleanup": "succeeded"}
    assert run["partition"] == partition(upload)

    folder = f"fpi/{upload.instrument}/{upload.site}/{upload.date[:4]}/{upload.date}/"
    images = {k[len(folder):]: project.read(k) for k in project.keys(folder)}
    assert images == upload.members()

    stem = f"{upload.instrument}_{upload.site}_{upload.date}"
    results = [k for k in project.keys(f"results/{upload.date[:4]}/") if stem in k]
    assert all(any(k.endswith(kind) for k in results) for kind in RESULT_KINDS), results
    pictures = project.keys(f"SummaryImages/{upload.date[:4]}/")
    assert len(pictures) >= 3 and all(project.read(k).startswith(b"\x89PNG") for k in pictures), pictures
    assert nights.check_manifests(project) > 0

    sky = project.results("SELECT direction, los_wind, temperature, run_id FROM fpi_sky WHERE instrument = ?",
                          upload.instrument)
    assert len(sky) == 10
    assert all(abs(wind) < 1000 and 300 < kelvin < 2000 for _, wind, kelvin, _ in sky)
    assert len(nights.table(project, "fpi_laser")) == 8
    assert project.results("SELECT count(*) FROM DataSet")[0][0] == 3
    assert project.results("SELECT count(*) FROM orch_effect")[0][0] == 1

    left = project.keys("raw/")
    assert not [k for k in left if "tar.gz" in k or k.endswith(upload.check_name)], left
    assert f"cloudsensor/{upload.site}/{upload.date[:4]}/Cloud_{upload.site}_{upload.date}.txt" in project.keys()
    nights.environment_is_clean(project)
    why = project.text("why", partition(upload))
    assert "cleanup" in why or "succeeded" in why, why


def test_prefixes_of_the_environment(project):
    """On both pairs; a slash at the end, as some write them, makes no difference."""
    upload = nights.night()
    project.env |= {"RESULTS_PATH": "out/numbers", "SUMMARY_IMAGES_PATH": "out/pictures/", "MADRIGAL_PATH": "level1"}
    run = run_one(project.start(), upload)
    assert states(run)["cleanup"] == "succeeded", run
    year, stem = upload.date[:4], f"{upload.instrument}_{upload.site}_{upload.date}"
    for prefix, suffix in (("out/numbers", ".h5"), ("out/pictures", ".png"), ("level1", ".txt")):
        assert [k for k in project.keys(f"{prefix}/{year}/{stem}") if k.endswith(suffix)], project.keys()
    assert not project.keys("results/") + project.keys("SummaryImages/") + project.keys("madrigal/")
    (manifest,) = (json.loads(project.read(k)) for k in project.keys("out/numbers/") if k.endswith(".manifest.json"))
    for entry in manifest["objects"]:
        assert len(project.read(entry["key"])) == entry["size"]


def test_sent_twice(project):
    upload = nights.night()
    run_one(project.start(), upload)
    rows = nights.table(project, "fpi_sky", without=())
    nights.send(project, upload)
    assert project.tick()["runs"] == []
    assert len(project.runs()) == 1
    assert nights.table(project, "fpi_sky", without=()) == rows
    assert f"raw/{upload.check_name}" in project.keys(), "what was not analysed is not deleted"


def test_incomplete_then_complete(project):
    upload = nights.night()
    nights.send(project, upload, skip=["000001"])
    project.start()
    assert project.tick()["runs"] == []
    verdict, reason = project.verdicts()[f"raw/{upload.check_name}"]
    assert verdict == "pending" and "000001 missing" in reason
    assert "000001 missing" in project.text("why", f"raw/{upload.check_name}")
    run = run_one(project, upload)
    assert run["state"] == "succeeded"


def test_two_instruments_of_one_site(project):
    project.start()
    uploads = [nights.night(i, "20260417") for i in ("minime05", "minime13")]
    for upload in uploads:
        nights.send(project, upload)
    started = project.tick()["runs"]
    runs = [project.wait_run(r["run"]) for r in started]
    assert [r["state"] for r in runs] == ["succeeded"] * 2
    assert {r["partition"] for r in runs} == {partition(u) for u in uploads}
    for upload in uploads:
        folder = f"fpi/{upload.instrument}/{upload.site}/2026/20260417/"
        assert {k[len(folder):] for k in project.keys(folder)} == set(upload.members())
    lines = project.results("SELECT instrument, line_tag, count(*) FROM fpi_sky GROUP BY 1, 2 ORDER BY 1, 2")
    assert {row[0] for row in lines} == {"minime05", "minime13"}
    left = project.keys("raw/")
    assert not [k for k in left if "tar.gz" in k], left
    assert "raw/Cloud_uao_20260417.txt" in left, "the cloud file is shared, so it stays"


def test_a_night_without_data(project):
    upload = nights.night()
    project.put(f"raw/{upload.check_name}", upload.check(pieces=0, size=0))
    project.start()
    assert project.tick()["runs"] == []
    assert project.verdicts()[f"raw/{upload.check_name}"][0] == "no_data"


def test_hold_keeps_the_raw_data(project):
    upload = nights.night()
    project.start()
    project.ctl("hold", partition(upload))
    run = run_one(project, upload)
    assert states(run)["analyze"] == "succeeded"
    assert set(upload.pieces) <= {k[4:] for k in project.keys("raw/")}
    assert partition(upload) in str(project.ctl("status")["holds"])
    project.ctl("release", partition(upload))
    project.wait_idle()
    wait_until(lambda: not [k for k in project.keys("raw/") if "tar.gz" in k], "the raw data is deleted after the release")


def test_raw_data_is_held_for_a_while(project):
    for path in (project.root / "jobs").glob("*.yaml"):
        text = re.sub(r"(?m)^(\s*)(retries): 50$", r"\1\2: 0", path.read_text())
        path.write_text(text.replace("hold: 0s", "hold: 20s"))
    upload = nights.night()
    project.start()
    nights.send(project, upload)
    run = project.tick()["runs"][0]["run"]

    def cleanup():
        return project.steps(run)["cleanup"]
    wait_until(lambda: cleanup()["state"] == "retrying", "the clean-up waits")
    assert "raw objects are kept until" in cleanup()["wait_reason"]
    assert set(upload.pieces) <= {k[4:] for k in project.keys("raw/")}
    assert project.wait_run(run)["state"] == "succeeded"
    assert not [k for k in project.keys("raw/") if "tar.gz" in k]


def test_a_damaged_archive_fails_before_anything_is_deleted(project):
    good = nights.night()
    archive = bytearray(good.archive)
    archive[len(archive) // 2] ^= 0x55
    bad = Upload(good.stub, good.site, good.date, bytes(archive), piece_size=200000)
    bad.extra = good.extra
    run = run_one(project.start(), bad)
    assert run["state"] == "failed"
    assert states(run) == {"unzip": "failed", "analyze": "skipped", "cleanup": "skipped"}
    error = next(s for s in run["steps"] if s["asset"] == "unzip")["error"]
    assert error["class"] == "bad_data", error
    assert set(bad.pieces) <= {k[4:] for k in project.keys("raw/")}
    assert project.keys("results/") == []
    # The instrument sends it again; a retry takes what is there now.
    nights.send(project, good)
    again = project.wait_run(project.ctl("runs", "retry", run["id"], "--detach")["run"])
    assert again["state"] == "succeeded"
    assert not [k for k in project.keys("raw/") if "tar.gz" in k]


def test_cancel(project):
    # So many exposures that there is time to cancel.
    upload = nights.night("minime05", "20260407", "--laser", "150", "--sky", "150")
    project.start()
    nights.send(project, upload)
    run = project.tick()["runs"][0]["run"]
    wait_until(lambda: project.steps(run)["analyze"]["state"] == "running", "the analysis runs")
    project.ctl("runs", "cancel", run)
    assert project.wait_run(run)["state"] == "canceled"
    wait_until(lambda: project.processes() == [project.daemon.pid], "only the daemon is left")
    assert set(upload.pieces) <= {k[4:] for k in project.keys("raw/")}
    again = project.wait_run(project.ctl("runs", "retry", run, "--from-failure", "--detach")["run"], timeout=180)
    assert again["state"] == "succeeded"


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_the_daemon_is_replaced_in_the_middle(project, sig):
    upload = nights.night("minime05", "20260407", "--laser", "150", "--sky", "150")
    project.start()
    nights.send(project, upload)
    run = project.tick()["runs"][0]["run"]
    wait_until(lambda: project.steps(run)["analyze"]["state"] == "running", "the analysis runs")
    project.stop(sig)
    project.start()
    ended = project.wait_run(run, timeout=180)
    assert ended["state"] == "succeeded"
    assert all(len(s["attempts"]) == 1 for s in ended["steps"]), "no step was killed or repeated"


def test_an_unknown_instrument(project):
    good = nights.night()
    upload = Upload("fpi77", good.site, good.date, good.archive)
    upload.extra = {}
    run = run_one(project.start(), upload)
    assert run["state"] == "failed"
    assert "minime77" in str(run["steps"])
    assert set(upload.pieces) <= {k[4:] for k in project.keys("raw/")}


def test_reanalyze_replaces_the_rows(project):
    upload = nights.night()
    run_one(project.start(), upload)
    before = nights.table(project, "fpi_sky")
    (project.root / "run.yaml").write_text(
        f'config:\n  site: "{upload.site}"\n  year: "2026"\n  observation_date: "{upload.date}"\n'
        f'  fpi_data_path: "fpi/{upload.instrument}/{upload.site}/2026/{upload.date}"\n'
        f'  cloud_cover_path: "cloudsensor/{upload.site}/2026"\n  instrument_name: {upload.instrument}\n')
    dry = project.text("materialize", "reanalyze", "--config", "run.yaml", "--dry-run", "--wait")
    assert "fpi_sky" in dry
    first = project.results("SELECT DISTINCT run_id FROM fpi_sky")
    project.text("materialize", "reanalyze", "--config", "run.yaml", "--wait")
    assert nights.table(project, "fpi_sky") == before
    second = project.results("SELECT DISTINCT run_id FROM fpi_sky")
    assert len(second) == 1 and second != first
    nights.check_manifests(project)


def test_reanalyze_without_a_daemon(project):
    upload = nights.night()
    run_one(project.start(), upload)
    project.stop()
    before = nights.table(project, "fpi_sky")
    (project.root / "run.yaml").write_text(f"config: {{site: {upload.site}, observation_date: {upload.date}}}\n")
    project.text("materialize", "reanalyze", "--config", "run.yaml", "--wait", timeout=120)
    assert nights.table(project, "fpi_sky") == before
