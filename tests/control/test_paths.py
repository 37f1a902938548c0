"""Where the socket is, and who may have put what in its way (docs/control.md)."""

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Unix sockets")
if os.name == "posix":
    from sigtask.control._paths import Refused, bound, folders_of, is_alive, own_folder, sockets_in, sweep

ROOT = os.name == "posix" and os.geteuid() == 0


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture
def folder(runtime):
    return own_folder()


def test_the_folder_and_the_socket_are_the_users_alone(runtime, folder):
    listening, path = bound(folder)
    with listening:
        assert folder == runtime / "sigtask" and path == folder / f"{os.getpid()}.sock"
        assert (mode(folder), mode(path)) == (0o700, 0o600)


def test_without_a_runtime_folder_it_is_one_of_the_users_own_among_the_temporary_ones(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert own_folder() == tmp_path / f"sigtask-{os.geteuid()}"
    assert mode(own_folder()) == 0o700


@pytest.mark.parametrize("relative", ["", "run", "/nowhere/at/all"])
def test_a_runtime_folder_that_is_none_is_not_used(monkeypatch, tmp_path, relative):
    monkeypatch.setenv("XDG_RUNTIME_DIR", relative)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert own_folder().parent == tmp_path


def test_a_symbolic_link_in_place_of_the_folder_is_refused(runtime, tmp_path):
    (runtime / "sigtask").symlink_to(tmp_path)
    with pytest.raises(Refused, match="is a symbolic link; remove it"):
        own_folder()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_open_to_others_is_refused(runtime):
    (runtime / "sigtask").mkdir()
    os.chmod(runtime / "sigtask", 0o755)
    with pytest.raises(Refused, match="open to others"):
        own_folder()


@pytest.mark.skipif(not ROOT, reason="only root can give a folder away")
def test_another_users_folder_is_refused(runtime):
    (runtime / "sigtask").mkdir(0o700)
    os.chown(runtime / "sigtask", 65534, 65534)
    with pytest.raises(Refused, match="belongs to uid 65534"):
        own_folder()


@pytest.mark.parametrize("plant", ["link", "link to a socket", "file", "folder"])
def test_what_somebody_has_put_in_the_sockets_place_is_refused_and_left_alone(folder, tmp_path, plant):
    path, elsewhere = folder / f"{os.getpid()}.sock", tmp_path / "s"
    if plant == "link to a socket":
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(elsewhere))
    {"file": path.touch, "folder": path.mkdir}.get(plant, lambda: path.symlink_to(elsewhere))()
    before = os.lstat(path)
    with pytest.raises(Refused, match="is no socket of ours"):
        bound(folder)
    assert os.lstat(path).st_ino == before.st_ino


def test_a_socket_that_nobody_listens_at_is_replaced(folder):
    listening, path = bound(folder)
    listening.close()  # and the file stays, as after a SIGKILL
    assert path.exists() and not is_alive(path)
    again, path = bound(folder)
    with again:
        assert is_alive(path)


def test_a_socket_of_another_living_process_is_not(folder):
    listening, _ = bound(folder)
    with listening, pytest.raises(Refused, match="another living process"):
        bound(folder)


def test_what_dead_processes_have_left_is_swept_away_and_nothing_else(folder, tmp_path):
    def left(pid):
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(folder / f"{pid}.sock"))

    left(2**22 + 1)  # more than there are
    left(1)  # lives
    (folder / "note.txt").touch()
    (folder / f"{2**22 + 2}.sock").symlink_to(tmp_path)
    sweep(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["1.sock", f"{2**22 + 2}.sock", "note.txt"]


def test_who_looks_follows_no_link_either(folder, tmp_path):
    (folder / "7.sock").symlink_to(tmp_path)
    (folder / "8.sock").touch()
    (folder / "x.sock").touch()
    assert list(sockets_in(folder, os.geteuid())) == []
    assert folder in folders_of(os.geteuid())


def test_a_path_that_is_too_long_for_a_socket_goes_to_the_temporary_folder(monkeypatch, tmp_path):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")
    assert own_folder() == Path(f"/tmp/sigtask-{os.geteuid()}")
