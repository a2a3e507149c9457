"""The embedded broker loses no message, however its processes are scheduled."""

import threading
from queue import Empty

import pytest
from kombu import Connection

MESSAGES = 300


@pytest.fixture
def open_channel(tmp_path):
    folders = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path), "control_folder": str(tmp_path)}
    connection = Connection("filesystem://localhost/", transport="core.broker:Transport", transport_options=folders)
    yield connection.channel
    connection.release()


def test_a_message_is_taken_whole_though_it_is_looked_for_all_the_time(open_channel):
    taken, problems, done = [], [], threading.Event()
    putting, taking = open_channel(), open_channel()

    def take():
        while True:
            last = done.is_set()
            try:
                taken.append(taking._get("queue")["number"])
            except Empty:
                if last:
                    return
            except Exception as error:
                problems.append(error)

    reader = threading.Thread(target=take)
    reader.start()
    for number in range(MESSAGES):
        putting._put("queue", {"number": number, "text": "x" * 1000})
    done.set()
    reader.join()
    assert not problems
    assert sorted(taken) == list(range(MESSAGES))


def test_a_message_that_can_not_be_written_leaves_nothing_behind(open_channel, tmp_path):
    """As on a full disk: what is begun there takes more of it."""
    channel = open_channel()
    (tmp_path / "taken").mkdir()
    with pytest.raises(FileNotFoundError):
        channel._put("no/such/folder", {"number": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
