"""`digitline litertjs`: fetches LiteRT.js, which runs TFLite files in a browser, for the page.

Two packages of the npm registry, of fixed versions and digests: it needs neither Node.js nor
npm, but asks npm, where there is one, for the registry that this machine uses. What was fetched
lies in the user's cache, and the server gives it to browsers: they ask no other machine.

https://ai.google.dev/edge/litert/web
"""

import base64
import dataclasses
import hashlib
import http.client
import io
import os
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from ...base import command, files
from ...base.command_flags import flag, flag_values, read
from ...base.errors import UserError, first_line
from ...base.process import temporary

VERSION = "2.5.3"
# Package: its digest, as npm's lock files have it.
_PACKAGES = {
    "core": "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCn"
    "N4nzWoyJQ==",
    "wasm-utils": "sha512-4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYB"
    "VdFawteZ/sI1kQ==",
}
# What a browser loads of them, on one thread.
FILES = (
    "core/dist/index.js",
    "core/wasm/litert_wasm_internal.js",
    "core/wasm/litert_wasm_internal.wasm",
    "core/wasm/litert_wasm_compat_internal.js",
    "core/wasm/litert_wasm_compat_internal.wasm",
    "wasm-utils/dist/index.js",
)
_NPM = "https://registry.npmjs.org"
# How npm hands its setting to what it starts; people write it in capitals too.
_NPM_SETTING = "npm_config_registry"
_TIMEOUT_S = 60
# Of a package; they have 9 MB.
_MOST_BYTES = 64 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiteRtJsOptions:
    """Where LiteRT.js comes from."""

    registry: str | None = flag(
        None,
        "Address of an npm registry (default: what npm_config_registry or npm's settings name, "
        f"else {_NPM}).",
        group="Where from",
    )


@dataclasses.dataclass(frozen=True)
class LiteRtJs:
    """LiteRT.js on this machine; `fetched`: it was not there yet."""

    folder: Path
    version: str
    fetched: bool


FLAGS = flag_values(LiteRtJsOptions)


def default_folder() -> Path:
    """Where it is kept: in the user's cache, by version."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "digitline" / f"litertjs-{VERSION}"


def is_whole(folder: Path) -> bool:
    """Whether a folder holds all that a browser needs."""
    return all((folder / name).is_file() for name in FILES)


def run(options: LiteRtJsOptions) -> LiteRtJs:
    """Fetches what is not there yet.

    Raises:
      UserError: as `fetch`.
    """
    folder = default_folder()
    if missing := not is_whole(folder):
        fetch(folder, options.registry or _registry())
    return LiteRtJs(folder, VERSION, missing)


def fetch(folder: Path, registry: str) -> None:
    """Downloads the packages, checks their digests, and unpacks them; whole or not at all.

    Args:
      folder: to make; what it held before is replaced.
      registry: address of an npm registry.

    Raises:
      UserError: it cannot be reached, or gives other bytes.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with files.naming(folder), temporary.folder(folder.parent) as place:
        making = place / folder.name
        for package, integrity in _PACKAGES.items():
            file = f"{package}-{VERSION}.tgz"
            content = _download(f"{registry.rstrip('/')}/@litertjs/{package}/-/{file}")
            digest = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
            if digest != integrity:
                raise UserError(
                    f"@litertjs/{package} {VERSION} of {registry} is not the package that was "
                    f"published: its digest is {digest}, not {integrity}"
                )
            _unpack(content, package, making)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            making.rename(folder)
        except OSError:
            if not is_whole(folder):  # Else another process was quicker.
                raise


def _download(address: str) -> bytes:
    if not address.startswith(("https://", "http://")):  # Python reads files and FTP, too.
        raise UserError(f"{address}: begins with no https:// (another registry: --registry=URL)")
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            content = answer.read(_MOST_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(
            f"{address}: {first_line(Exception(str(reason)))} (another registry: --registry=URL)"
        ) from None
    if len(content) > _MOST_BYTES:
        raise UserError(f"{address}: over {_MOST_BYTES >> 20} MB; expected a package of LiteRT.js")
    return content


def _unpack(content: bytes, package: str, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for name in FILES:
            if name.startswith(f"{package}/"):
                member = archive.extractfile(name.replace(package, "package", 1))
                assert member is not None  # By the digest.
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(member.read())


def _registry() -> str:
    stated = os.environ.get(_NPM_SETTING) or os.environ.get(_NPM_SETTING.upper())
    if stated:
        return stated
    npm = shutil.which("npm")
    if npm is None:
        return _NPM
    words = [npm, "config", "get", "registry"]
    address = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return address if address.startswith("http") else _NPM


def text(result: LiteRtJs) -> str:
    """The result for a person."""
    how = "fetched" if result.fetched else "there already"
    return f"LiteRT.js {result.version}, {how}: {result.folder}"


COMMAND = command.Command(
    name="litertjs",
    summary="Fetches LiteRT.js from an npm registry, once, for the page of digitline serve: with "
    "it, the page runs the model's TFLite file inside the browser too.",
    flags=FLAGS,
    options=lambda values, _: read(LiteRtJsOptions, values),
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)
