import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """Real data sets that lie beside the checkout; what wants them skips where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the data folder {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prepared data go to a directory of this session, also those of the processes that it starts."""
    before = os.environ.get("BLOCKQNN_CACHE")
    os.environ["BLOCKQNN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["BLOCKQNN_CACHE"]
    else:
        os.environ["BLOCKQNN_CACHE"] = before


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk of memory, where there is one: the same calls, a hundredth of their time."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory)
