import io
import tarfile
import zipfile

import pytest

from digitline.base.errors import DataError
from digitline.data.preparation import archives

LINK = "pets/cat/link.png"


def made(path, names):
    """An archive of files that hold their names; `LINK` is a link to a file outside."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                info = zipfile.ZipInfo(name)
                info.external_attr = (0o120777 if name == LINK else 0o644) << 16
                archive.writestr(info, "/etc/passwd" if name == LINK else name)
        return path
    with tarfile.open(
        path, f"w:{path.suffix[1:].removesuffix('ar')}".replace("w:t", "w")
    ) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            if name == LINK:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            info.size = 0 if name == LINK else len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    return path


def below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["pets.zip", "pets.tar", "pets.tar.gz", "pets.tar.xz"])
def test_an_archive_is_unpacked_once_and_again_when_it_has_changed(name, tmp_path, capsys):
    path = made(tmp_path / name, ["pets/cat/1.png", LINK])
    assert archives.is_archive(path)
    assert archives.stem(name) == "pets"
    folder = archives.unpack(path, tmp_path / "data")
    assert below(folder) == ["pets/cat/1.png"]
    assert (folder / "pets/cat/1.png").read_text() == "pets/cat/1.png"
    assert "1 links or devices in it are left out" in capsys.readouterr().err
    (folder / "pets/cat/1.png").write_text("kept")
    archives.unpack(path, tmp_path / "data")
    assert (folder / "pets/cat/1.png").read_text() == "kept"
    made(path, ["pets/cat/2.png"])
    assert below(archives.unpack(path, tmp_path / "data")) == ["pets/cat/2.png"]


@pytest.mark.parametrize("name", ["../../out.png", "/out.png", "a/../../out.png", "..\\out.png"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_nothing_is_written_outside_of_the_folder(kind, name, tmp_path):
    path = made(tmp_path / f"evil.{kind}", ["a/1.png", name.replace("\\", "/")])
    with pytest.raises(DataError, match="would be unpacked outside of its folder"):
        archives.unpack(path, tmp_path / "data")
    assert below(tmp_path) == [path.name]


def test_rejects_what_is_not_whole_or_too_large(tmp_path, monkeypatch):
    path = made(tmp_path / "pets.tar.gz", ["pets/cat/1.png"])
    whole = path.read_bytes()
    for content in (whole[:-20], b"", b"hello"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="not a whole archive"):
            archives.unpack(path, tmp_path / "data")
    with pytest.raises(DataError, match="no such file"):
        archives.names(tmp_path / "none.zip")
    path.write_bytes(whole)
    used = type("Usage", (), {"free": 5})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: used)
    with pytest.raises(DataError, match=r"unpacked it is 0.0 GB, and .* has room for 0.0 GB"):
        archives.unpack(path, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_tar_file_that_leads_backwards_ends(tmp_path):
    info = tarfile.TarInfo("a")
    info.size = -512
    (tmp_path / "pets.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) * 2)
    with pytest.raises(DataError, match=r"pets\.tar: not a whole archive"):
        archives.names(tmp_path / "pets.tar")
