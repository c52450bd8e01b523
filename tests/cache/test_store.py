"""The store: what was kept is found again, whole or not at all, whatever happens to writers and to the file."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import ROOT
from verify.cache.store import FILE, Store

WRITER = """
import sys
from pathlib import Path
from verify.cache.store import Store

store, name = Store(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    store.put({f"{name}.{number}.{part}": b"%d" % number * 500 for part in range(5)})
assert store.trouble is None, store.trouble
"""


def writer(directory: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(directory), name, str(count)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    Store(tmp_path / "new").put({"a": b"1", "b": b""})
    store = Store(tmp_path / "new")
    assert store.get(["a", "b", "c"]) == {"a": b"1", "b": b""}
    assert store.get([]) == {}
    assert store.trouble is None


def test_the_last_value_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put({"a": b"1"})
    store.put({"a": b"2"})
    assert store.get(["a"]) == {"a": b"2"}


def test_more_keys_than_a_statement_takes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entries = {f"k{n}": b"%d" % n for n in range(2500)}
    store.put(entries)
    assert store.get(entries) == entries


def test_an_entry_whose_bytes_changed_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put({"a": b"proved", "b": b"refuted"})
    store.close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE entries SET value = 'proved' WHERE key = 'b'")
    assert Store(tmp_path).get(["a", "b"]) == {"a": b"proved"}


def test_an_entry_under_another_key_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put({"a": b"proved"})
    store.close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE entries SET key = 'b'")
    assert Store(tmp_path).get(["a", "b"]) == {}


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to look like one" * 40, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_cache_is_let_alone_and_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    store = Store(tmp_path)
    assert store.get(["a"]) == {}
    store.put({"a": b"1"})
    assert store.get(["a"]) == {}
    assert store.trouble is not None
    assert str(tmp_path / FILE) in store.trouble
    assert (tmp_path / FILE).read_bytes() == content


def test_a_cache_of_another_version_is_let_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version=77")
    store = Store(tmp_path)
    store.put({"a": b"1"})
    assert store.trouble is not None
    assert "version 77" in store.trouble


def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "cache")
    assert store.get(["a"]) == {}
    assert store.trouble is not None


def test_size_and_clear(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put({"a": b"1", "b": b"2"})
    assert store.size().entries == 2
    assert store.size().bytes > 0
    store.clear()
    assert list(tmp_path.iterdir()) == []
    assert Store(tmp_path).get(["a"]) == {}


def test_several_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    running = [writer(tmp_path, name, 40) for name in ("a", "b", "c")]
    assert [process.wait() for process in running] == [0, 0, 0]
    keys = [f"{name}.{number}.{part}" for name in "abc" for number in range(40) for part in range(5)]
    assert len(Store(tmp_path).get(keys)) == len(keys)


def test_a_writer_that_is_killed_leaves_whole_transactions(tmp_path: Path) -> None:
    chance = random.Random(1)
    for turn in range(12):
        process = writer(tmp_path, f"w{turn}", 100_000)
        time.sleep(chance.uniform(0.0, 0.08))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    store = Store(tmp_path)
    kept = 0
    for turn in range(12):
        number = 0
        while found := store.get([f"w{turn}.{number}.{part}" for part in range(5)]):
            assert set(found.values()) == {b"%d" % number * 500}
            assert len(found) == 5  # the five entries of a transaction are there together, or none of them
            number += 1
        kept += number
    assert store.trouble is None
    assert kept > 0
    ((verdict,),) = sqlite3.connect(tmp_path / FILE).execute("PRAGMA integrity_check")
    assert verdict == "ok"
