"""The embedded broker: Celery's messages as files in a folder, each of them whole from the moment it is there.

kombu's own transport makes the file first and fills it then. A worker that looks in between takes an empty message,
which is then lost, and ends with an error.
"""

import os
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Writes each message under another name, and renames it when it is whole.

    ``_put`` is what kombu asks a transport to implement (``kombu.transport.virtual``).
    """

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]  # as the class above has it
        folder = Path(self.data_folder_out)
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}"
        unfinished = folder / f"{name}.part"
        try:
            unfinished.write_text(dumps(payload))
            os.replace(unfinished, folder / f"{name}.{queue}.msg")
        except OSError:  # as when the disk is full: remove what was written
            unfinished.unlink(missing_ok=True)
            raise


class Transport(filesystem.Transport):
    """The setting ``CELERY_BROKER_TRANSPORT`` names it when the broker is ``filesystem://``."""

    Channel = Channel
