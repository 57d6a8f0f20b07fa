"""Words at the end of a command line: what orchctl offers, and that each shell takes it as it is."""

import pathlib
import shutil
import subprocess
import tempfile

import pytest

from orch import SENSOR, SRC
from page import daemon_that_knows_everything

SCRIPTS = SRC / "src" / "orchctl" / "completion"
HOSTILE = "uao/$(touch gone);/20260407"


@pytest.fixture(scope="module")
def orch():
    root = pathlib.Path(tempfile.mkdtemp(prefix="orchd-test-completion-"))
    with daemon_that_knows_everything(root) as known:
        known.ctl("hold", HOSTILE, "--reason", "a name that a shell would run")
        known.ctl("hold", "uao/\u202e70406202", "--reason", "a name that a terminal would turn round")
        yield known
    shutil.rmtree(root, ignore_errors=True)


def offered(orch, *words):
    done = orch.run(orch.programs / "orchctl", "complete", "--", *words)
    assert done.returncode == 0 and done.stderr == ""
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def test_words(orch):
    run, partition = orch.done["id"], orch.done["partition"]
    assert {"status", "runs", "sensors", "page"} <= set(offered(orch, "")) and "complete" not in offered(orch, "")
    assert offered(orch, "runs", "") == ["list", "show", "logs", "cancel", "retry"]
    assert offered(orch, "runs", "sh") == ["show"] and offered(orch, "help", "runs", "sh") == ["show"]
    assert set(offered(orch, "runs", "show", "")) == {str(r["id"]) for r in orch.runs()}
    assert offered(orch, "runs", "list", "--sta") == ["--state"]
    assert offered(orch, "runs", "list", "--state", "f") == offered(orch, "runs", "--state", "=", "f") == ["failed"]
    assert offered(orch, "runs", "--state=f") == ["--state=failed"] and "sent" in offered(orch, "outbox", "--state", "=")
    assert offered(orch, "sensors", "tick", "instr") == [SENSOR] and offered(orch, "sensors", "keys", SENSOR, "--verdict", "pe") == ["pending"]
    assert set(offered(orch, "assets", "show", "")) == {a["name"] for a in orch.ctl("assets", "list")["assets"]}
    assert offered(orch, "materialize", "unzip", "+ana") == ["+analyze"] and offered(orch, "materialize", "tag") == ["tag:test"]
    assert "broken_job" in offered(orch, "launch", "") and partition in offered(orch, "runs", "list", "-p", "uao/")
    assert "raw/fpi05_uao_20260408.txt" in offered(orch, "why", "raw/") and partition in offered(orch, "why", partition[:8])
    assert set(offered(orch, "release", "")) == {"uao/20260407", HOSTILE}, "what a terminal would turn round is not offered"
    assert offered(orch, "backup", "") == offered(orch, "materialize", "x", "--config", "") == [":files"]
    assert offered(orch, "frob", "") == offered(orch, "runs", "show", str(run), "") == []
    assert offered(orch, "--config-file", "/nowhere/orch.yaml", "sensors", "tick", "") == [], "no configuration, no names, no complaint"
    orch.orchctl("runs", "list", "--state", "sent", code=2)


def test_without_a_daemon(orch):
    """Names of the configuration need none; those of the state are read without a lock."""
    orch.stop()
    try:
        assert offered(orch, "sensors", "tick", "instr") == [SENSOR] and str(orch.done["id"]) in offered(orch, "runs", "show", "")
    finally:
        orch.start()


def shell(orch, *command):
    path = f"{orch.programs}:{orch.env.get('PATH', '/usr/bin:/bin')}"
    done = orch.run(*command, env={"PATH": path, "HOME": str(orch.root), "XDG_CONFIG_HOME": str(orch.root), "XDG_DATA_HOME": str(orch.root)})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def bash(orch, *words):
    script = f'. {SCRIPTS}/bash/orchctl; COMP_WORDS=(orchctl "$@"); COMP_CWORD=$#; _orchctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return shell(orch, "bash", "-c", script, "bash", *words)


def zsh(orch, *words):
    script = f'compadd() {{ print -l -- $names }}; _files() {{ print files }}; words=(orchctl "$@"); CURRENT=$#words; . {SCRIPTS}/zsh/_orchctl'
    return shell(orch, "zsh", "-f", "-c", script, "zsh", *words)


def fish(orch, *words):
    script = f"source {SCRIPTS}/fish/orchctl.fish; complete -C 'orchctl {' '.join(words)}'"
    return [line.split("\t")[0] for line in shell(orch, "fish", "--no-config", "-c", script)]


@pytest.mark.parametrize("complete", [pytest.param(f, marks=pytest.mark.skipif(shutil.which(f.__name__) is None, reason=f"{f.__name__} is not installed"))
                                      for f in (bash, zsh, fish)])
def test_shell(orch, complete):
    assert complete(orch, "runs", "sh") == ["show"]
    assert complete(orch, "sensors", "tick", "instr") == [SENSOR]
    assert orch.done["partition"] in complete(orch, "why", "uao/")
    assert not (orch.root / "gone").exists()


def test_bash_quotes_what_it_would_run(orch):
    assert r"uao/\$\(touch\ gone\)\;/20260407" in bash(orch, "release", "uao/")
    line = "; ".join(bash(orch, "release", "uao/$"))
    done = subprocess.run(["bash", "-c", f"printf %s {line}"], cwd=orch.root, capture_output=True, text=True, check=True)
    assert done.stdout == HOSTILE and not (orch.root / "gone").exists()
