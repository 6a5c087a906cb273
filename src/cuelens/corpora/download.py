"""Download a corpus whose licence lets anyone have it: resumed, verified, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from cuelens.cache_dir import cache_dir
from cuelens.corpora.load import layout_named, layout_names
from cuelens.errors import CuelensError, InputError

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int], None]
"""Called with the number of bytes done and the number of bytes in all."""

N_ATTEMPTS = 4  # connections before giving up; each goes on where the last one stopped
TIMEOUT_S = 30.0
PAUSE_S = 1.0  # before the second connection; doubled each time
CHUNK_BYTES = 1 << 14  # what a cut connection can lose
MAX_EXPANSION = 20  # zip contents beyond this many times the archive's size: not recordings


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file to fetch.

    Parameters
    ----------
    url : str
    path : str
        Where it goes, relative to the corpus.
    n_bytes : int
    md5 : str
        As published by the archive that keeps the file.
    """

    url: str
    path: str
    n_bytes: int
    md5: str


@dataclass(frozen=True, kw_only=True)
class Download:
    """Where a corpus comes from: one zip archive, or the file list of a Dataverse record.

    Parameters
    ----------
    archive : RemoteFile, optional
        A zip, with the size and checksum that the archive publishes, fixed here.
    dataverse : str, optional
        Address of a Dataverse dataset.  Its file list gives size and checksum of every file and
        is read afresh each time: that catches damage on the way, not a change of the record.
    """

    archive: RemoteFile | None = None
    dataverse: str | None = None


DOWNLOADS: dict[str, Download] = {
    # Release 1.3.0 in audformat: 535 recordings.  (Release 2.0.0 adds 281 that fewer than 80 % of
    # listeners recognised, and laryngograms.)
    "emodb": Download(
        archive=RemoteFile(
            url="https://zenodo.org/records/7447302/files/emodb.zip?download=1",
            path="emodb.zip",
            n_bytes=39_981_818,
            md5="9d21362dbc5676ef3ab4745d83ced0db",
        )
    ),
    "ravdess": Download(
        archive=RemoteFile(
            url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1",
            path="Audio_Speech_Actors_01-24.zip",
            n_bytes=208_468_073,
            md5="bc696df654c87fed845eb13823edef8a",
        )
    ),
    "tess": Download(
        dataverse=(
            "https://borealisdata.ca/api/datasets/:persistentId/"
            "?persistentId=doi:10.5683/SP2/E8H2MF"
        )
    ),
}


def get_corpus(
    name: str, *, folder: str | Path | None = None, progress: Progress | None = None
) -> Path:
    """Download a corpus, unless it is there already.

    Show the licence first: ``LAYOUTS[name].licence`` and ``.permits``.  A download that was
    interrupted goes on where it stopped.  The corpus appears under its name only when every file
    has its published checksum; until then the parts are in a hidden folder beside it.

    Parameters
    ----------
    name : str
        A key of `DOWNLOADS`.
    folder : str or Path, optional
        Folder to put it in; by default the downloads, where `load_corpus` finds it by name.
    progress : callable, optional
        Called with the bytes done and the bytes in all.

    Returns
    -------
    Path
        Folder of the corpus.

    Raises
    ------
    InputError
        Unknown name, or a corpus that one has to ask for: the message says how.
    CuelensError
        No connection, a wrong checksum, an unsafe archive, no space.
    """
    if name not in DOWNLOADS:
        if name in layout_names():
            layout = layout_named(name)
            raise InputError(
                f"{name} cannot be downloaded from here; expected one of {', '.join(DOWNLOADS)}: "
                f"{layout.how_to_get} Its licence: {layout.licence}. {layout.permits}"
            )
        raise InputError(f"unknown corpus {name!r}; expected one of {', '.join(DOWNLOADS)}")
    parent = Path(folder).expanduser() if folder is not None else cache_dir("corpora")
    final = parent / name
    if final.exists():
        return final
    staging = parent / f".{name}.download"
    try:
        staging.mkdir(parents=True, exist_ok=True)
        download = DOWNLOADS[name]
        if download.archive is not None:
            archive = staging / download.archive.path
            fetch([download.archive], staging, progress=progress)
            unpacked = staging / "unpacked"
            if unpacked.exists():  # of a run that was interrupted
                shutil.rmtree(unpacked)
            unzip(archive, unpacked)
            unpacked.replace(final)
        else:
            files = list(_dataverse_files(str(download.dataverse)))
            content = staging / "files"
            fetch(files, content, progress=progress)
            content.replace(final)
        shutil.rmtree(staging)
    except OSError as error:
        raise CuelensError(
            f"{name}: cannot be written in {parent} ({error.strerror or error}); expected a folder "
            "with enough space: name another one"
        ) from error
    return final


def fetch(files: Sequence[RemoteFile], folder: Path, *, progress: Progress | None = None) -> None:
    """Fetch files into a folder; those that are complete there already are kept.

    What has arrived of a file is kept as ``NAME.part`` and continued the next time.  A file gets
    its name only after its checksum was found right.

    Raises
    ------
    CuelensError
        The server cannot be reached or refuses, or a checksum is wrong (the file is then deleted).
    """
    import requests  # imported when needed: start-up time

    total = sum(file.n_bytes for file in files)
    done = 0
    with requests.Session() as session:
        for file in files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (target.is_file() and _md5(target) == file.md5):
                part = target.with_name(target.name + ".part")
                before = done

                def report(n: int, before: int = before) -> None:
                    if progress is not None:
                        progress(before + n, total)

                _fetch_part(session, file, part, report)
                found = _md5(part)
                if found != file.md5:
                    part.unlink()
                    raise CuelensError(
                        f"{file.url}: checksum is {found}; expected {file.md5}: damaged on the way "
                        "or changed by its publisher; it was deleted, try again"
                    )
                part.replace(target)
            done += file.n_bytes
            if progress is not None:
                progress(done, total)


def _fetch_part(
    session: requests.Session, file: RemoteFile, part: Path, report: Callable[[int], None]
) -> None:
    """Fill `part` to its full size, over several connections if need be."""
    import requests  # imported when needed: start-up time

    reason = "the connection was cut"
    for attempt in range(N_ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        have = part.stat().st_size if part.exists() else 0
        if have > file.n_bytes:
            part.unlink()
            have = 0
        if have == file.n_bytes and part.exists():
            return
        # identity: sizes and ranges are of the file, not of a compressed transfer
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
        try:
            with session.get(file.url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
                if response.status_code not in {200, 206}:
                    reason = f"the server answered {response.status_code} {response.reason}"
                    if response.status_code < 500 and response.status_code != 429:
                        break  # asking again will not help
                    continue
                continued = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
                if response.status_code == 200 or not continued:
                    have = 0  # the server starts from the beginning
                with part.open("ab" if have else "wb") as out:
                    for chunk in response.iter_content(CHUNK_BYTES):
                        out.write(chunk)
                        have += len(chunk)
                        report(min(have, file.n_bytes))
                        if have > file.n_bytes:
                            break
        except requests.RequestException as error:
            reason = type(error).__name__
        if part.exists() and part.stat().st_size > file.n_bytes:
            part.unlink()
            raise CuelensError(
                f"{file.url}: longer than the {file.n_bytes} bytes expected; changed by its "
                "publisher: deleted, look for a newer release of cuelens"
            )
    have = part.stat().st_size if part.exists() else 0
    if have == file.n_bytes:
        return
    raise CuelensError(
        f"{file.url}: stopped at {have} of {file.n_bytes} bytes ({reason}); expected all of them: "
        "check the connection and run it again, it goes on from there"
    )


# What zipfile raises of damaged archives, and what the folder is to blame for.
_BAD_ARCHIVE = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, zlib.error, struct.error)
_BAD_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}


def unzip(archive: Path, folder: Path) -> None:
    """Unpack a zip archive that may be hostile.

    Raises
    ------
    CuelensError
        Not a zip, damaged, or with an absolute path, a ``..``, a link, or contents out of
        proportion to its size; nothing is unpacked then.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            for member in members:
                _refuse_unsafe(archive, member)
            size = sum(member.file_size for member in members)
            if size > MAX_EXPANSION * archive.stat().st_size + CHUNK_BYTES:
                raise CuelensError(
                    f"{archive.name}: unpacks to {size} bytes, more than {MAX_EXPANSION} times its "
                    "size; expected recordings: not unpacked"
                )
            for member in members:
                content.extract(member, folder)
    except (*_BAD_ARCHIVE, OSError) as error:
        if isinstance(error, OSError) and error.errno in _BAD_PLACE:
            raise
        shutil.rmtree(folder, ignore_errors=True)
        raise CuelensError(
            f"{archive.name}: not a zip archive that can be unpacked ({error}); expected a corpus: "
            "delete it and download it again"
        ) from error


def _refuse_unsafe(archive: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename
    windows = PureWindowsPath(name)
    outside = (
        PurePosixPath(name).is_absolute()
        or bool(windows.drive or windows.root)
        or ".." in windows.parts
    )
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise CuelensError(
            f"{archive.name}: member {name!r} is a link or points outside the folder; expected "
            "plain relative paths: nothing was unpacked"
        )


def _dataverse_files(url: str) -> Iterator[RemoteFile]:
    """The files of a Dataverse dataset, with their published sizes and checksums.

    https://guides.dataverse.org/en/latest/api/native-api.html
    """
    import requests  # imported when needed: start-up time

    try:
        response = requests.get(url, timeout=TIMEOUT_S)
        response.raise_for_status()
        listed = json.loads(response.content)["data"]["latestVersion"]["files"]
        for entry in listed:
            about = entry["dataFile"]
            checksum = about.get("checksum", {"type": "MD5", "value": about.get("md5")})
            name = PurePosixPath(str(entry.get("directoryLabel", "")), str(about["filename"]))
            if checksum["type"] != "MD5" or name.is_absolute() or ".." in name.parts:
                raise CuelensError(f"{url}: cannot be used ({name}); expected MD5 and plain paths")
            yield RemoteFile(
                url=f"{url.partition('/api/')[0]}/api/access/datafile/{int(about['id'])}",
                path=str(name),
                n_bytes=int(about["filesize"]),
                md5=str(checksum["value"]),
            )
    except requests.RequestException as error:
        raise CuelensError(
            f"{url}: cannot be read ({type(error).__name__}); expected the list of files: check "
            "the connection and run it again"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CuelensError(
            f"{url}: not a list of files as expected of Dataverse ({error!r}); download the corpus "
            "by hand from its home page"
        ) from error


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)  # what the archives publish
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
