"""What comes from the device, kept coming: connected again after a restart, watched
again when it has fallen silent."""

import time
from collections.abc import Callable

from emery.device.problem import DeviceProblem
from emery.link.client import Client
from emery.link.said import Hello, Status, certificate_words
from firmware import settings
from firmware.config_file import settings_of

WATCH_MS = 200
# Silence after which it is asked who it is. [E]
_SILENT_S = 1.5
_AGAIN_S = 1.0
_RATE_S = 2.0
_HEAR_S = 0.05


class Feed:
    """The newest of everything. `trouble` says why nothing comes, "" while it does.

    `open_client` connects; what it raises is trouble, and is tried again.
    """

    def __init__(
        self, open_client: Callable[[], Client], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._open = open_client
        self._now_s = now_s
        self._client: Client | None = None
        self._next_s = now_s()  # when to try again
        self._heard_s = 0.0
        self._rate_begun_s = 0.0
        self._rate_told = 0
        self.hello: Hello | None = None
        self.settings: settings.Settings | None = None
        self.settings_note = ""
        self.certificate = ""
        self.status: Status | None = None
        self.trouble = ""
        self.rate = 0.0  # lines of telemetry in a second
        self.connections = 0

    def close(self) -> None:
        """End the telemetry, and give the line back."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            if not self.trouble:
                client.watch(0)
        except DeviceProblem as problem:
            self.trouble = problem.what
        finally:
            client.close()

    def connect(self) -> None:
        """Connect for the first time. Raises DeviceProblem."""
        self._connect()

    def step(self) -> None:
        """Take what has come; some 50 ms."""
        now_s = self._now_s()
        try:
            if self._client is None:
                if now_s < self._next_s:
                    time.sleep(_HEAR_S)
                    return
                self._connect()
            elif now_s - self._heard_s > _SILENT_S:
                self._greet(self._client)
            self._listen()
        except DeviceProblem as problem:
            self.trouble = problem.what
            client, self._client = self._client, None
            if client is not None:
                client.close()
            self._next_s = self._now_s() + _AGAIN_S

    def do(self, command: int, argument: int) -> str:
        """Post a command; what became of it, "" if the device took it."""
        if self._client is None:
            return "there is no connection"
        try:
            self._client.do(command, argument)
        except DeviceProblem as problem:
            return problem.what
        return ""

    @property
    def console(self) -> list[str]:
        """The last words of the device's console, that were no lines of the link."""
        return [] if self._client is None else list(self._client.console)

    @property
    def lost(self) -> int:
        """Lines that came damaged, and requests that had to be asked again."""
        client = self._client
        return 0 if client is None else client.bad_lines + client.asked_again

    def _connect(self) -> None:
        client = self._open()
        try:
            self._greet(client)
        except DeviceProblem:
            client.close()
            raise
        self._client = client
        self.connections += 1

    def _greet(self, client: Client) -> None:
        hello = client.hello()
        if self.hello is None or self.hello.config != hello.config or self.settings is None:
            self._learn_settings(client, hello)
        self.hello = hello
        self.status = client.status()
        client.watch(WATCH_MS)
        self.trouble = ""
        self._heard_s = self._rate_begun_s = self._now_s()
        self._rate_told = client.told

    def _learn_settings(self, client: Client, hello: Hello) -> None:
        self.certificate = ""
        if hello.certificate:
            payload = client.whole_blob("certificate")
            self.certificate = certificate_words(hello.certificate, payload)
        blob = client.whole_blob("config")
        try:
            self.settings = settings.decode(settings_of(blob))
            self.settings_note = ""
        except settings.SettingsError as refused:
            self.settings = None
            self.settings_note = f"Its limits cannot be told: {refused}."
            return
        if hello.is_changed:
            self.settings_note = (
                "The settings on flash were changed: what is shown here holds from the next "
                "restart on."
            )

    def _listen(self) -> None:
        client = self._client
        if client is None:
            return
        before = client.told
        client.hear(_HEAR_S)
        now_s = self._now_s()
        if client.told != before:
            self._heard_s = now_s
            self.status = client.last_told
        if now_s - self._rate_begun_s >= _RATE_S:
            self.rate = (client.told - self._rate_told) / (now_s - self._rate_begun_s)
            self._rate_begun_s = now_s
            self._rate_told = client.told
