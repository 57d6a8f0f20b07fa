"""Nights at the edges of the upload protocol: the turn of a year, folders, clouds that are missing, instruments of nowhere."""

import gzip
import io
import json
import tarfile

import pytest

import nights
from orch import Upload
from test_night import partition, run_one, states


@pytest.fixture
def embedded(orch):
    return nights.prepare(orch)


def repacked(good, names):
    """The same upload with other names in its archive: names(base name) -> name."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in good.members().items():
            info = tarfile.TarInfo(names(name))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    upload = Upload(good.stub, good.site, good.date, gzip.compress(raw.getvalue(), 1, mtime=0), piece_size=200000)
    upload.extra = good.extra
    return upload


def test_the_night_of_31_december(embedded):
    """Its samples after midnight, and the second cloud file, are of the next year; its folders are of the old one."""
    project, upload = embedded, nights.night("minime05", "20251231")
    assert sorted(upload.extra) == ["Cloud_uao_20251231.txt", "Cloud_uao_20260101.txt"]
    run = run_one(project.start(), upload)
    assert run["state"] == "succeeded" and states(run)["cleanup"] == "succeeded", run
    images = project.keys("fpi/")
    assert len(images) == len(upload.members()) and all(k.startswith("fpi/minime05/uao/2025/20251231/") for k in images)
    assert [k for k in project.keys("cloudsensor/")] == [
        "cloudsensor/uao/2025/Cloud_uao_20251231.txt", "cloudsensor/uao/2025/Cloud_uao_20260101.txt"]
    assert project.read("raw/Cloud_uao_20260101.txt"), "the next night's own is never deleted by this one"
    assert {k.split("/")[1] for k in project.keys("results/") + project.keys("SummaryImages/") + project.keys("madrigal/")} == {"2025"}
    clouds = project.results("SELECT count(*), count(cloud_mean_c) FROM fpi_sky")
    assert clouds == [(10, 10)], "every sample has its clouds, before midnight and after"
    assert {r[0] for r in project.results("SELECT night FROM fpi_sky")} == {"20251231"}


def test_members_in_two_folders_and_with_blanks(embedded):
    """An archive may hold the images of two day folders; all are counted, and flat."""
    project, good = embedded, nights.night()
    order = {name: i for i, name in enumerate(sorted(good.members()))}
    upload = repacked(good, lambda n: f"2026040{7 + order[n] % 2}/{n}")
    run = run_one(project.start(), upload)
    assert states(run)["cleanup"] == "succeeded", run
    folder = "fpi/minime05/uao/2026/20260407/"
    assert {k[len(folder):]: project.read(k) for k in project.keys("fpi/")} == good.members()
    unzip = project.steps(run["id"])["unzip"]
    assert len(good.members()) in unzip["metadata"].values(), unzip["metadata"]


def test_clouds_that_are_missing(embedded):
    project, upload = embedded, nights.night()
    upload = repacked(upload, lambda n: f"20260407/{n}")
    upload.extra = {}
    run = run_one(project.start(), upload)
    assert run["state"] == "succeeded" and run["outcome"] == "warnings", run
    assert states(run)["cleanup"] == "succeeded"
    assert "cloud_sensor_data" in project.text("runs", "logs", run["id"])
    assert project.results("SELECT count(*), count(cloud_mean_c) FROM fpi_sky") == [(10, 0)]


@pytest.mark.parametrize("stub,site,words", [
    ("fpi77", "uao", "minime77"),  # nobody knows it
    ("fpi05", "mto", "mto"),  # it is at another site on that date
])
def test_an_instrument_that_is_not_there(embedded, stub, site, words):
    """The table knows nothing of it: a clear error, no retry, and the raw data stays."""
    project, good = embedded, nights.night()
    upload = Upload(stub, site, good.date, good.archive, piece_size=200000)
    upload.extra = {}
    run = run_one(project.start(), upload)
    assert run["state"] == "failed", run
    analyze = project.steps(run["id"])["analyze"]
    assert analyze["error"]["class"] == "config" and words in analyze["error"]["text"] and len(analyze["attempts"]) == 1, analyze
    assert states(run)["cleanup"] == "skipped"
    assert set(upload.pieces) | {upload.check_name} <= {k[4:] for k in project.keys("raw/")}
    assert partition(upload) in json.dumps(project.runs())
