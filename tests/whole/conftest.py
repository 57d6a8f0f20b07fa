import pathlib
import tempfile

import pytest

from orch import Orch


@pytest.fixture
def orch(request):
    """An empty project; a failing test keeps its folder and says where."""
    project = Orch(pathlib.Path(tempfile.mkdtemp(prefix=f"orchd-{request.node.name[:40]}-")))
    yield project
    failed = getattr(request.node, "failed", False)
    if failed:
        print(f"kept: {project.root}\n{project.tail()}")
    project.close(keep=failed)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.failed = True
