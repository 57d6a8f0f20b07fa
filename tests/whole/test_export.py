"""orchctl page export: the page as files, seen by a crawler, a browser from file://, and a second export."""

import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import urllib.parse

import pytest

from nights import night, prepare, send
from orch import SENSOR, wait_until

HOSTILE = "raw/fpi05_<script>alert(1)</script>&\"'.txt"
MARK = ".orchd-export"
PNG = b"\x89PNG\r\n\x1a\n"


def files_of(folder):
    return {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(MARK)}


def analysed(project):
    """One night done, half of another, and a key that no page may take at its word; the run."""
    send(project, night("minime05", "20260407"))
    project.start()
    project.tick()
    run = wait_until(lambda: [r for r in project.runs() if r["state"] == "succeeded"], "the night is done")[0]
    send(project, night("minime05", "20260408"), skip=("000000",))
    project.put(HOSTILE, b"x")
    project.tick()
    return run


@pytest.fixture
def done(orch):
    prepare(orch)
    orch.config.write_text(orch.config.read_text() + "\nweb: {listen: '127.0.0.1:0', title: 'Test <lab>'}\n")
    orch.run_done = analysed(orch)
    return orch


def crawl(root):
    """Every file by following links from index.html as a browser would; fails on a link that leads nowhere."""
    todo, seen = {"index.html"}, set()
    while todo:
        name = todo.pop()
        seen.add(name)
        path = root / name
        assert path.is_file(), f"dead link to {name}"
        if path.suffix not in (".html", ".atom"):
            continue
        text = path.read_text()
        for value in re.findall(r'\s(?:href|src|action)="([^"]*)"', text):
            assert not re.match(r"[a-z]+:|//|/", value), f"{name}: {value} is not relative"
            assert "%" not in value and "&" not in value, f"{name}: {value}"
            target = value.split("#")[0]
            if target:
                where = os.path.normpath(os.path.join(os.path.dirname(name), target))
                assert not where.startswith(".."), f"{name}: {value} leads out"
                todo |= {where} - seen
        if path.suffix == ".html":
            assert "<script" not in text and "live.js" not in text and "a copy, as of" in text, name
            assert "<lab>" not in text
    return seen


def test_a_night_as_files(project):
    """On both pairs: every page is there, whole, with the pictures as the store has them."""
    run = analysed(project)
    root = project.root / "mirror"
    said = project.ctl("page", "export", root)
    files = files_of(root)
    seen = crawl(root)
    assert said["files"] == len(files) == said["written"] and said["pictures"] == 3 and said["removed"] == 0
    assert said["bytes"] == sum(p.stat().st_size for p in files.values())
    partition = run["partition"]
    for name in ("index.html", "nights.html", "runs.html", "queue.html", "deletions.html", "assets/unzip.html",
                 f"runs/{run['id']}.html", f"partition/{partition}.html", f"sensors/{SENSOR}.html", "static/style.css",
                 "feed.atom"):
        assert name in seen, name
    for name in ("api/v1/status.json", "api/v1/runs.json", f"api/v1/runs/{run['id']}.json", f"api/v1/why/{partition}.json",
                 f"api/v1/sensors/{SENSOR}/keys.json", "api/v1/assets/analyze.json", "api/v1/openapi.json",
                 "badge/analyze.svg"):
        assert name in files, name
    assert json.loads(files[f"api/v1/runs/{run['id']}.json"].read_text())["steps"] == project.show(run["id"])["steps"]
    pictures = {n: p for n, p in files.items() if n.endswith(".png")}
    assert len(pictures) == 3 and set(pictures) <= seen
    for name, path in pictures.items():
        key = name.split("/", 2)[2]
        assert path.read_bytes() == project.read(key) and path.read_bytes().startswith(PNG)
    secrets = [project.env[k] for k in ("AWS_SECRET_ACCESS_KEY", "MYSQL_PASSWORD") if k in project.env]
    everything = b"".join(p.read_bytes() for p in files.values())
    for secret in secrets:
        assert secret.encode() not in everything


def test_again_without_a_daemon(done):
    """A second export writes what changed alone; what left the window goes, and what is not ours stays."""
    root = done.root / "mirror"
    done.stop()
    done.ctl("page", "export", root)
    before = {n: p.stat().st_mtime_ns for n, p in files_of(root).items()}
    (root / "CNAME").write_text("mirror.example\n")
    again = done.ctl("page", "export", root)
    after = {n: p.stat().st_mtime_ns for n, p in files_of(root).items() if n != "CNAME"}
    changed = {n for n in before if before[n] != after[n]}
    assert set(before) == set(after) and again["written"] == len(changed)
    assert "index.html" in changed and changed <= {"index.html", "api/v1/status.json", "feed.atom"}, changed

    partition = done.run_done["partition"]
    narrow = done.ctl("page", "export", root, "--days", "1", "--no-pictures")
    left = files_of(root)
    assert narrow["removed"] == 3 and "CNAME" in left and f"partition/{partition}.html" in left  # the newest run keeps it
    assert not (root / "picture").exists()
    crawl(root)


SITES = 70  # three pages of rows and a bit


def other_nights(root):
    """Nights of many sites, put into the history: one each, of one site another that is long ago; the partitions."""
    nights = [f"s{n:02}/20260407/minime01" for n in range(SITES)] + [f"s{SITES - 10}/20260301/minime01"]
    db = sqlite3.connect(root / "state" / "state.db", timeout=30)
    with db:
        for partition in nights:
            run = db.execute(
                "INSERT INTO run(job, assets, partition, state, outcome, origin, config, tags, created_at, started_at, ended_at)"
                " VALUES('analysis_job', '[]', ?, 'succeeded', 'ok', 'user:test', '{}', '{}', 1, 2, 3)", [partition]).lastrowid
            places = partition.split("/")
            db.executemany("INSERT INTO run_place(place, run_id) VALUES(?, ?)", [("/".join(places[:n + 1]), run) for n in range(3)])
    db.close()
    return nights


def test_more_sites_than_a_page_has(done):
    """Each row of each site is reached by links, also back in time, and each page of rows is written once."""
    done.stop()
    nights = other_nights(done.root)
    root = done.root / "mirror"
    done.ctl("page", "export", root, "--runs", "1", "--no-pictures")
    seen = crawl(root)
    assert set(seen) <= set(files_of(root))
    pages = {n: re.findall(r'<th scope="row">.*?</span> ([^<]*)</th>', (root / n).read_text()) for n in seen if n.startswith("nights")}
    newest = [rows for n, rows in pages.items() if "until" not in n]
    rows = sorted(r for page in newest for r in page)
    assert len(newest) == 4 and len(rows) == len(set(rows)) and {f"s{n:02}/minime01" for n in range(SITES)} < set(rows), pages
    earlier = [n for n, rows in pages.items() if re.search(r"until=\d{8},after=", n) and f"s{SITES - 10}/minime01" in rows]
    assert earlier, sorted(pages)
    assert not [n for n in pages if re.search("after=.*until=", n)], "a page has one name"
    for partition in nights:
        assert f"partition/{partition}.html" in seen, partition

    whole = json.loads((root / "api/v1/nights.json").read_text())
    cells = {c["partition"] for row in whole["rows"] for c in row["cells"].values()}
    assert {r["name"] for r in whole["rows"]} == set(rows) and len(whole["rows"]) == len(rows) and set(nights) < cells
    assert whole["next"] is None and whole["schema"] == "orchd/1" and whole["dates"] == sorted(set(whole["dates"]), reverse=True)
    assert {"20260407", "20260301"} < set(whole["dates"]) and whole["until"] == whole["dates"][0]
    assert all(r["standing"] and r["newest"] for r in whole["rows"]) and [s["row"] for s in whole["stuck"]] == ["uao/minime05"]


def test_a_picture_that_is_lost(done):
    """No link leads to a picture that its store has lost; one that an earlier export has stays."""
    first, second = done.root / "first", done.root / "second"
    done.ctl("page", "export", first)
    lost = next(k for k in done.keys("SummaryImages/") if k.endswith("winds.png"))
    (done.store / lost).unlink()
    said = done.ctl("page", "export", second, code=1)
    assert said["pictures"] == 2 and said["pictures_missing"] == 1
    crawl(second)
    assert sum(n.endswith(".png") for n in files_of(second)) == 2
    said = done.ctl("page", "export", first)
    assert said["pictures_missing"] == 0 and said["removed"] == 0
    assert any(n.endswith("winds.png") for n in crawl(first))


def test_a_store_that_is_away_leaves_the_former_copy(done):
    """Better an older copy with its pictures than a newer one without; the exit code says to try again."""
    root, away = done.root / "mirror", done.root / "away"
    done.ctl("page", "export", root)
    before = {n: p.read_bytes() for n, p in files_of(root).items() if n.endswith(".png")}
    done.store.rename(away)
    done.store.write_text("not a folder")
    said = done.orchctl("page", "export", root, code=None)
    assert said.returncode not in (0, 1) and "cannot be read from their store" in said.stderr, said
    assert {n: p.read_bytes() for n, p in files_of(root).items() if n.endswith(".png")} == before
    crawl(root)
    assert done.ctl("page", "export", root, "--no-pictures")["pictures"] == 0
    done.store.unlink()
    away.rename(done.store)
    assert done.ctl("page", "export", root)["pictures"] == 3


def test_keys_cannot_leave_the_folder(done):
    """Names with slashes, dots and quotes become one harmless file each."""
    done.orchctl("hold", "uao/<b>&'\"/x y")
    done.ctl("materialize", "analyze", "--partition", "a.html/b", "--set", "site=uao", "--set",
             "observation_date=20990101", "--detach", code=None)
    done.wait_idle()
    root = done.root / "a" / "mirror"
    done.ctl("page", "export", root)
    crawl(root)
    names = files_of(root)
    assert any(n.startswith("partition/uao/~3Cb~3E~26~27~22/x~20y") for n in names), sorted(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._~=,/-]+", n) and "/." not in n for n in names)
    assert {p.name for p in root.parent.iterdir()} == {"mirror"}
    keys = (root / f"sensors/{SENSOR}.html").read_text()
    assert "<script>" not in keys and "&lt;script&gt;" in keys


def test_a_folder_of_others_is_refused(done):
    root = done.root / "documents"
    root.mkdir()
    (root / "letter.txt").write_text("dear")
    said = done.orchctl("page", "export", root, code=4)
    assert "neither empty nor a former export" in said.stderr
    assert [p.name for p in root.iterdir()] == ["letter.txt"]
    assert done.orchctl("page", "export", code=2).stderr
    done.orchctl("page", "export", root, "--days", "x", code=2)


def test_an_export_that_was_killed_leaves_nothing_behind(done):
    """Files that a dead export left are taken over by the next one, and go when they are not wanted."""
    root = done.root / "mirror"
    done.ctl("page", "export", root)
    stray = root / "runs" / "999.html"
    stray.write_text("of an export that did not end")
    with open(root / MARK, "a") as f:
        f.write("runs/999.html\n../../orch.yaml\n/etc/hostname\n.git/config\n")
    said = done.ctl("page", "export", root)
    assert said["removed"] == 1 and not stray.exists() and done.config.exists()
    crawl(root)


CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no chromium")
def test_a_browser_reads_it_from_a_folder(done):
    """Styles and pictures load without a server."""
    root = done.root / "mirror"
    done.ctl("page", "export", root)
    with tempfile.TemporaryDirectory() as home:
        said = subprocess.run(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home}/p", "--dump-dom",
             "--enable-logging=stderr", f"file://{urllib.parse.quote(str(root))}/runs/{done.run_done['id']}.html"],
            capture_output=True, text=True, timeout=120, check=True)
        assert "ERR_FILE_NOT_FOUND" not in said.stderr and said.stdout.count("<img ") == 3
