import os
import pathlib
import tempfile

import pytest

import nights
import production
from orch import Orch
from servers import Servers, missing

# Everything that needs the servers runs in one worker, so that they are started once.
needs_servers = pytest.mark.xdist_group("servers")


def keep_or_remove(request, project):
    failed = getattr(request.node, "failed", False)
    if failed:
        print(f"kept: {project.root}\n{project.tail()}")
    project.close(keep=failed)


def folder_of(request):
    return pathlib.Path(tempfile.mkdtemp(prefix=f"orchd-{request.node.name[:40]}-"))


@pytest.fixture
def orch(request):
    """An empty project; a failing test keeps its folder and says where."""
    project = Orch(folder_of(request))
    yield project
    keep_or_remove(request, project)


@pytest.fixture(scope="session")
def servers():
    lacking = missing()
    if lacking and not os.environ.get("CI"):
        pytest.skip(f"not installed: {' '.join(lacking)}")
    assert not lacking, lacking
    both = Servers()
    yield both
    both.close()


@pytest.fixture(params=["embedded", pytest.param("production", marks=needs_servers)])
def project(request):
    """The airglow project on either pair of store and database."""
    if request.param == "embedded":
        orch = nights.init_project(folder_of(request))
    else:
        orch = production.init_project(folder_of(request), request.getfixturevalue("servers"))
    yield orch
    keep_or_remove(request, orch)


@pytest.fixture
def bucket_project(request, servers):
    orch = production.init_project(folder_of(request), servers)
    yield orch
    keep_or_remove(request, orch)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.failed = True
