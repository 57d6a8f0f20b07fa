"""Projects as `orchctl init` makes them, and small synthetic nights to send them."""

import functools
import hashlib
import json
import pathlib
import re
import tempfile
import atexit
import shutil
import subprocess

from orch import BUILD, SRC, Failed, Orch, Upload

SITES = SRC / "etc" / "sites-and-instruments.yaml"


@functools.lru_cache(maxsize=None)
def _cache():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="orchd-nights-"))
    atexit.register(shutil.rmtree, folder, True)
    return folder


@functools.lru_cache(maxsize=None)
def simulate(instrument="minime05", date="20260407", *options):
    """What the instrument sends for a night of a few small frames: {file name: bytes}."""
    folder = _cache() / "_".join((instrument, date, *options)).replace("/", "_")
    defaults = ("--size", "256", "--laser", "8", "--sky", "10", "--piece-size", "200000")
    done = subprocess.run(
        [str(BUILD / "fpi-simulate"), "--quiet", "--instrument", instrument, "--date", date, "--sites", str(SITES),
         "--upload", str(folder), *defaults, *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"fpi-simulate: {done.stdout}{done.stderr}")
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def night(instrument="minime05", date="20260407", *options):
    """The same as an Upload, its cloud files in .extra."""
    files = simulate(instrument, date, *options)
    stub = "fpi" + instrument[-2:]
    site = next(n for n in files if n.startswith(stub)).split("_")[1]
    stem = f"{stub}_{site}_{date}"
    archive = b"".join(files[n] for n in sorted(files) if n.startswith(f"{stem}.tar.gz"))
    upload = Upload(stub, site, date, archive, piece_size=200000)
    upload.extra = {n: data for n, data in files.items() if not n.startswith("fpi")}
    return upload


def send(orch, upload, **kw):
    for name, data in upload.extra.items():
        orch.put(f"raw/{name}", data)
    orch.put_upload(upload, **kw)


def init_project(root, quick_retries=True):
    """A project on the embedded pair: a folder and SQLite."""
    return prepare(Orch(root), quick_retries)


def prepare(orch, quick_retries=True):
    """orchctl init, with waits fit for a test."""
    done = orch.run(BUILD / "orchctl", "init", orch.root)
    if done.returncode != 0:
        raise Failed(f"orchctl init: exit {done.returncode}\n{done.stdout}{done.stderr}")
    text = re.sub(r"(?m)^web:.*\n(?:[ \t]+.*\n)*", "", orch.config.read_text())  # tests run side by side
    orch.config.write_text(text)
    if quick_retries:
        for path in (orch.root / "jobs").glob("*.yaml"):
            text = re.sub(r"(?m)^(\s*)(retries|retry_delay|retry_max_delay):.*\n", "", path.read_text())
            text = re.sub(r"(?m)^(\s+)type: (unzip_chunked_archive|fpi_analysis|delete_raw)\b(.*)$",
                          r"\1type: \2\3\n\1retries: 50\n\1retry_delay: 20ms\n\1retry_max_delay: 200ms", text)
            text = re.sub(r"\{type: (unzip_chunked_archive|fpi_analysis|delete_raw)\b",
                          r"{type: \1, retries: 50, retry_delay: 20ms, retry_max_delay: 200ms", text)
            path.write_text(text)
    return orch


# ---- what must be there afterwards

def manifests(orch):
    return {k: json.loads(orch.read(k)) for k in orch.keys("results/") if k.endswith(".manifest.json")}


def check_manifests(orch):
    """Every object a manifest names is there with that size and content; returns how many were checked."""
    checked = 0
    for key, manifest in manifests(orch).items():
        for entry in manifest["objects"]:
            data = orch.read(entry["key"])
            assert len(data) == entry["size"], f"{entry['key']} named by {key}"
            assert hashlib.sha256(data).hexdigest() == entry["sha256"], f"{entry['key']} named by {key}"
            checked += 1
    return checked


def table(orch, name, without=("run_id", "id")):
    """
    The rows of a results table as a sorted list, without what differs from run to run; a server that counts rows leaves
    out the numbers of a transaction that was rolled back.
    """
    columns = [c for c in orch.columns(name) if c not in without]
    return sorted(map(repr, orch.results(f"SELECT {', '.join(columns)} FROM {name}")))


def environment_is_clean(orch):
    """Nothing half-made is left: no temporary object, no scratch folder of a settled attempt."""
    left = orch.leftovers()
    left += [p for p in (orch.root / "state" / "runs").rglob("work") if p.is_dir() and any(p.iterdir())]
    assert not left, f"left over: {[str(p) for p in left[:5]]}"


