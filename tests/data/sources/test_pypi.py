import pytest

from digitline.base.errors import DataError
from digitline.data.sources import pypi


def test_a_package_that_pip_cannot_find_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(DataError, match="pip could not download digitline-no-such-package") as e:
        pypi.download("digitline-no-such-package==9.9", tmp_path)
    assert "\n" not in str(e.value)
