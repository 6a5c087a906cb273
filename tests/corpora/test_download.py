"""Downloads against a server on this machine: resumed, verified, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cuelens.corpora import DOWNLOADS, LAYOUTS, download, get_corpus, load_corpus
from cuelens.corpora.download import Download, RemoteFile
from cuelens.errors import CuelensError, InputError

WriteClip = Callable[..., Path]


class Server:
    """Serves bytes by path; can cut a transfer short, ignore ranges, or answer with an error."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.cut_after: list[int] = []  # bytes of the next transfers
        self.status: dict[str, list[int]] = {}  # answers before the content is served
        self.with_ranges = True
        self.requests: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.requests.append((self.path, wanted))
                if server.status.get(self.path):
                    self.send_error(server.status[self.path].pop(0))
                    return
                if self.path not in server.content:
                    self.send_error(404)
                    return
                body = server.content[self.path]
                first = 0
                if wanted and server.with_ranges:
                    first = int(wanted.removeprefix("bytes=").rstrip("-"))
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(body) - first))
                self.end_headers()
                rest = body[first:]
                if server.cut_after:
                    rest = rest[: server.cut_after.pop(0)]
                self.wfile.write(rest)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    yield running
    running.close()


@pytest.fixture
def archive(tmp_path: Path, write_clip: WriteClip) -> bytes:
    """A zip with two clips named as in EmoDB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        for name in ("03a01Wa.wav", "08a01Na.wav"):
            clip = write_clip(tmp_path / "clips" / name, duration_s=4.0)
            content.write(clip, f"emodb/wav/{name}")
    return buffer.getvalue()


@pytest.fixture
def offer(
    server: Server, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bytes], None]:
    """Let the server have a zip as EmoDB, with the checksum of `promised`."""

    def put(content: bytes, promised: bytes | None = None) -> None:
        promised = content if promised is None else promised
        server.content["/emodb.zip"] = content
        monkeypatch.setitem(
            DOWNLOADS,
            "emodb",
            Download(
                archive=RemoteFile(
                    url=f"{server.url}/emodb.zip",
                    path="emodb.zip",
                    n_bytes=len(promised),
                    md5=hashlib.md5(promised).hexdigest(),
                )
            ),
        )

    put(archive)
    return put


def test_download_unpack_load(
    server: Server,
    archive: bytes,
    offer: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUELENS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CUELENS_DATA", "")
    monkeypatch.chdir(tmp_path)
    steps: list[tuple[int, int]] = []
    path = get_corpus("emodb", progress=lambda *step: steps.append(step))
    assert path == tmp_path / "cache/corpora/emodb"
    assert [p.name for p in path.parent.iterdir()] == ["emodb"]
    assert steps[-1] == (len(archive), len(archive))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert load_corpus("emodb").table["emotion"].tolist() == ["anger", "neutral"]
    n_requests = len(server.requests)
    assert get_corpus("emodb") == path
    assert len(server.requests) == n_requests  # nothing is fetched twice


def test_cut_connection_goes_on_where_it_stopped(
    server: Server, archive: bytes, offer: Callable[..., None], tmp_path: Path
) -> None:
    server.cut_after = [40_000, 20_000]  # two chunks and a bit, one chunk and a bit
    assert (get_corpus("emodb", folder=tmp_path) / "emodb/wav/03a01Wa.wav").is_file()
    assert [wanted for _, wanted in server.requests] == [
        "bytes=0-",
        "bytes=32768-",
        "bytes=49152-",
    ]


def test_next_run_goes_on_where_the_last_one_gave_up(
    server: Server, archive: bytes, offer: Callable[..., None], tmp_path: Path
) -> None:
    server.cut_after = [20_000] * download.N_ATTEMPTS
    with pytest.raises(CuelensError, match=r"stopped at 65536 of \d+ bytes.*run it again"):
        get_corpus("emodb", folder=tmp_path)
    assert not (tmp_path / "emodb").exists()
    assert get_corpus("emodb", folder=tmp_path).is_dir()
    assert server.requests[-1][1] == "bytes=65536-"


def test_server_without_ranges_starts_over(
    server: Server, archive: bytes, offer: Callable[..., None], tmp_path: Path
) -> None:
    server.with_ranges = False
    server.cut_after = [40_000]
    assert (get_corpus("emodb", folder=tmp_path) / "emodb/wav/08a01Na.wav").is_file()


def test_interrupted_unpacking_is_done_again(
    server: Server, archive: bytes, offer: Callable[..., None], tmp_path: Path
) -> None:
    staging = tmp_path / ".emodb.download"
    (staging / "unpacked").mkdir(parents=True)
    (staging / "unpacked/half.wav").write_bytes(b"half")
    (staging / "emodb.zip").write_bytes(archive)
    path = get_corpus("emodb", folder=tmp_path)
    assert server.requests == []
    assert not list(path.rglob("half.wav"))
    assert not staging.exists()


def test_wrong_checksum_is_deleted(
    server: Server, archive: bytes, offer: Callable[..., None], tmp_path: Path
) -> None:
    damaged = bytes([archive[0] ^ 1]) + archive[1:]
    offer(damaged, archive)
    with pytest.raises(CuelensError, match=r"checksum is [0-9a-f]{32}; expected [0-9a-f]{32}"):
        get_corpus("emodb", folder=tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file() and "emodb.zip" in p.name] == []
    assert not (tmp_path / "emodb").exists()
    offer(archive)
    assert get_corpus("emodb", folder=tmp_path).is_dir()


def test_longer_than_promised_is_refused(
    server: Server, archive: bytes, offer: Callable[..., None], tmp_path: Path
) -> None:
    offer(archive + bytes(1000), archive)
    server.with_ranges = False
    with pytest.raises(CuelensError, match="longer than the"):
        get_corpus("emodb", folder=tmp_path)


@pytest.mark.parametrize(("status", "n_requests"), [(404, 1), (403, 1), (503, 4), (429, 4)])
def test_server_that_refuses(
    server: Server, offer: Callable[..., None], tmp_path: Path, status: int, n_requests: int
) -> None:
    server.status["/emodb.zip"] = [status] * 10
    with pytest.raises(CuelensError, match=f"stopped at 0 of .*answered {status}"):
        get_corpus("emodb", folder=tmp_path)
    assert len(server.requests) == n_requests


def test_server_that_is_busy_once(
    server: Server, offer: Callable[..., None], tmp_path: Path
) -> None:
    server.status["/emodb.zip"] = [503]
    assert get_corpus("emodb", folder=tmp_path).is_dir()


def test_no_server(server: Server, offer: Callable[..., None], tmp_path: Path) -> None:
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(CuelensError, match=r"stopped at 0 of \d+ bytes \(ConnectionError\)"):
        get_corpus("emodb", folder=tmp_path)


def zip_with(name: str, *, mode: int = 0o644, content: bytes = b"RIFF") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("good.wav", b"RIFF")
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        member.compress_type = zipfile.ZIP_DEFLATED
        made.writestr(member, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        zip_with("../evil.wav"),
        zip_with("a/../../evil.wav"),
        zip_with("/evil.wav"),
        zip_with("..\\evil.wav"),
        zip_with("C:\\evil.wav"),
        zip_with("link.wav", mode=stat.S_IFLNK | 0o777, content=b"/etc/passwd"),
        zip_with("bomb.wav", content=bytes(50_000_000)),
    ],
    ids=["parent", "inner parent", "absolute", "backslash", "drive", "link", "bomb"],
)
def test_hostile_archive_leaves_nothing(
    server: Server, offer: Callable[..., None], tmp_path: Path, content: bytes
) -> None:
    offer(content)
    inside = tmp_path / "inside"
    with pytest.raises(CuelensError, match=r"nothing was unpacked|not unpacked"):
        get_corpus("emodb", folder=inside)
    assert not (inside / "emodb").exists()
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(inside.rglob("*.wav"))


def test_archive_that_is_none(server: Server, offer: Callable[..., None], tmp_path: Path) -> None:
    offer(b"<html>moved</html>")
    with pytest.raises(CuelensError, match=r"emodb\.zip: not a zip archive"):
        get_corpus("emodb", folder=tmp_path)
    assert not (tmp_path / "emodb").exists()


# --- a Dataverse record ---------------------------------------------------------------------

LIST_PATH = "/api/datasets/:persistentId/?persistentId=doi:10.5683/SP2/E8H2MF"


@pytest.fixture
def record(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Two files, in the form of Dataverse's native API."""
    files: list[dict[str, object]] = []
    for number, (name, body) in enumerate(
        {"OAF_back_angry.wav": b"RIFF one", "YAF_back_sad.wav": b"RIFF two!"}.items(), start=7
    ):
        server.content[f"/api/access/datafile/{number}"] = body
        md5 = hashlib.md5(body).hexdigest()
        about = {"id": number, "filename": name, "filesize": len(body), "md5": md5}
        if number == 8:
            about["checksum"] = {"type": "MD5", "value": about.pop("md5")}
        files.append({"label": name, "directoryLabel": "wav", "dataFile": about})
    publish(server, files)
    monkeypatch.setitem(DOWNLOADS, "tess", Download(dataverse=server.url + LIST_PATH))
    return files


def publish(server: Server, files: list[dict[str, object]]) -> None:
    listed = {"status": "OK", "data": {"latestVersion": {"files": files}}}
    server.content[LIST_PATH] = json.dumps(listed).encode()


def test_dataverse_record(server: Server, record: list[dict[str, object]], tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    path = get_corpus("tess", folder=tmp_path, progress=lambda *step: steps.append(step))
    assert {p.name: p.read_bytes() for p in path.rglob("*.wav")} == {
        "OAF_back_angry.wav": b"RIFF one",
        "YAF_back_sad.wav": b"RIFF two!",
    }
    assert steps[-1] == (17, 17)
    assert [p.name for p in tmp_path.iterdir()] == ["tess"]


def test_dataverse_goes_on_with_the_files_that_are_missing(
    server: Server, record: list[dict[str, object]], tmp_path: Path
) -> None:
    server.status["/api/access/datafile/8"] = [404]
    with pytest.raises(CuelensError, match="datafile/8: stopped"):
        get_corpus("tess", folder=tmp_path)
    assert not (tmp_path / "tess").exists()
    server.requests.clear()
    get_corpus("tess", folder=tmp_path)
    assert [path for path, _ in server.requests] == [LIST_PATH, "/api/access/datafile/8"]


def test_dataverse_that_answers_otherwise(
    server: Server, record: list[dict[str, object]], tmp_path: Path
) -> None:
    server.content[LIST_PATH] = b"<html>"
    with pytest.raises(CuelensError, match=r"not a list of files.*by hand"):
        get_corpus("tess", folder=tmp_path)
    server.content[LIST_PATH] = b'{"status": "ERROR"}'
    with pytest.raises(CuelensError, match=r"not a list of files.*by hand"):
        get_corpus("tess", folder=tmp_path)
    del server.content[LIST_PATH]
    with pytest.raises(CuelensError, match="cannot be read"):
        get_corpus("tess", folder=tmp_path)
    record[0]["directoryLabel"] = "../.."
    publish(server, record)
    with pytest.raises(CuelensError, match="expected MD5 and plain paths"):
        get_corpus("tess", folder=tmp_path)


# --- the registry ---------------------------------------------------------------------------


def test_corpora_that_one_has_to_ask_for() -> None:
    with pytest.raises(InputError, match=r"savee cannot be downloaded.*Register.*research only"):
        get_corpus("savee")
    with pytest.raises(InputError, match=r"iemocap cannot be downloaded.*release form"):
        get_corpus("iemocap")
    with pytest.raises(InputError, match=r"crema-d cannot be downloaded.*git clone.*ODbL"):
        get_corpus("crema-d")
    with pytest.raises(InputError, match="unknown corpus 'x'; expected one of emodb, ravdess"):
        get_corpus("x")


def test_registry_is_of_known_corpora_over_https() -> None:
    assert set(DOWNLOADS) <= set(LAYOUTS)
    for offered in DOWNLOADS.values():
        url = offered.archive.url if offered.archive else offered.dataverse
        assert url is not None
        assert url.startswith("https://")
        assert (offered.archive is None) != (offered.dataverse is None)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CuelensError, match="cannot be written in"):
        get_corpus("emodb", folder=tmp_path / "file")
