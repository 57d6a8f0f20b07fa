"""What the manual says and what the programs do are the same."""

import json
import re
import subprocess

import pytest

from orch import BUILD, SRC


def said(*args):
    done = subprocess.run([str(BUILD / args[0]), *args[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30, check=True)
    return done.stdout + done.stderr


def commands():
    table = said("orchctl", "help").split("what it does\n")[1].split("\n\n")[0]
    return [re.match(r"\s+((?:[a-z]+ ?)+)", line).group(1).strip() for line in table.splitlines()]


def entry(page, command):
    """The part of the page from a command's entry to that of the next."""
    found = re.search(rf"^\.It Ic {re.escape(command)}(?: .*)?$.*?(?=^\.It (?:Ic|Xo)|^\.Ss)", page, re.M | re.S)
    return found.group(0) if found else None


@pytest.mark.parametrize("command", commands())
def test_every_command_and_option_is_in_the_manual(command):
    page = (SRC / "man" / "orchctl.1.in").read_text()
    page = re.sub(r"^\.It Xo\n\.Ic", ".It Ic", page, flags=re.M)
    text = entry(page, command)
    assert text, f"orchctl(1) does not have {command}"
    own = said("orchctl", "help", *command.split()).split("\noptions of every command")[0]
    for option in re.findall(r"^\s+(?:-\w, )?--([a-z-]+)", own, re.M):
        assert f"Fl -{option}" in text, f"orchctl(1), {command}: no --{option}"


def test_help_is_the_same_for_programs():
    told = json.loads(said("orchctl", "--json", "help"))
    assert told["schema"] == "orchd/1" and [o["name"] for o in told["options"]][:2] == ["config-file", "help"]
    assert [" ".join(filter(None, (c["noun"], c["verb"]))) for c in told["commands"]] == commands()
    assert {c["noun"] for c in json.loads(said("orchctl", "--json", "help", "runs"))["commands"]} == {"runs"}


def test_every_option_of_the_daemon_is_in_the_manual():
    page = (SRC / "man" / "orchd.8.in").read_text()
    for option in re.findall(r"--([a-z-]+)", said("orchd", "--help")):
        assert f"Fl -{option}" in page, f"orchd(8): no --{option}"


def test_every_option_of_a_type_is_in_the_reference():
    page = (BUILD / "man" / "orch.yaml.5").read_text()
    for name in ("chunked_upload", "cron", "unzip_chunked_archive", "fpi_analysis", "delete_raw", "exec", "dir", "s3", "sqlite", "mysql"):
        assert f'type "{name}"' in page, name


def test_the_commands_of_the_readme_exist():
    readme = (SRC / "README.md").read_text()
    known = commands()
    used = re.findall(r"orchctl(?: -f \S+| --json)* ([a-z]+(?: [a-z]+)?)", readme)
    assert used
    for words in used:
        assert any(words == k or words.split()[0] == k for k in known), f"README.md: orchctl {words}"
