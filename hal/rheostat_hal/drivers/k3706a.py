"""The Keithley 3706A with matrix cards: relays closed and opened, always with read-back. One line each."""

from __future__ import annotations

import dataclasses
import itertools

from rheostat_hal.bench import Switch
from rheostat_hal.bus import Bus
from rheostat_hal.drivers import tsp
from rheostat_hal.errors import BusTimeout, IdentityError, InstrumentError, ReplyError, SwitchError
from rheostat_hal.values import InstrumentIdentity

NAME = "switch"
RELAY_TIME = {"3730": 0.004, "3731": 0.001}  # s to open or to close: latching electromechanical, reed
OLD_REPLIES = 100  # lines that may still come from before a device clear
QUEUE = 100  # errors the queue may hold before draining counts as failed


class K3706A:
    """Knows nothing of voltages: who calls `route` or `open_all` has made sure that the relays carry none."""

    def __init__(self, bus: Bus, config: Switch) -> None:
        self.bus = bus
        self._config = config
        self._timeout = config.timeout
        self._markers = itertools.count(1)
        self.relay_time = max(RELAY_TIME[model] for _, model in config.cards)
        self._entry = min(slot for slot, _ in config.cards)

    def resynchronise(self) -> list[tsp.Report]:
        """Device clear, skip old replies up to a marker of our own, empty the error queue; the errors it held."""
        self.bus.clear()
        mark = f"rheostat-{next(self._markers)}"
        self.bus.write(tsp.marker(mark))
        for _ in range(OLD_REPLIES):
            said = self.bus.read(self._timeout)
            if said.strip() == mark:
                return self.drain()
        raise ReplyError(f"{NAME}: goes on talking, and has not said {mark!r} yet; its last words: {said!r}")

    def identify(self) -> InstrumentIdentity:
        """Raises IdentityError when it is no 3706A or has other cards than the bench file says."""
        return dataclasses.replace(self.who(), modules=self.cards())

    def who(self) -> InstrumentIdentity:
        """Without its cards. Raises IdentityError when it is no 3706A."""
        reply = self.bus.query(tsp.IDENTITY, self._timeout)
        identity = tsp.parse_identity(reply)
        if identity is None or not identity[1].startswith("3706A"):
            raise IdentityError(NAME, 0, f"{self.bus.resource} is not a 3706A, it says {reply!r}")
        return InstrumentIdentity(NAME, *identity, self.bus.resource)

    def cards(self) -> tuple[tuple[int, str], ...]:
        """slot, model of every card. Raises IdentityError when they are not those of the bench file."""
        reply = self.bus.query(tsp.CARDS, self._timeout)
        cards = tsp.parse_cards(reply)
        if cards is None:
            raise ReplyError(f"{NAME}: {reply!r} is not a list of cards")
        for slot, model in self._config.cards:
            if cards.get(slot) != model:
                raise IdentityError(NAME, 0, f"slot {slot} holds {cards.get(slot, 'no card')}, the bench says {model}")
        return tuple(sorted(cards.items()))

    def relays(self, channels: tuple[str, ...]) -> tuple[str, ...]:
        """The channels and, where rows are joined over the backplane, its relays in both slots of each row."""
        joined = set()
        if self._config.chain == "backplane":
            for slot, row in ((int(channel[0]), int(channel[1])) for channel in channels):
                if slot != self._entry:
                    joined |= {tsp.backplane(slot, row), tsp.backplane(self._entry, row)}
        return (*channels, *sorted(joined))

    def route(self, channels: tuple[str, ...]) -> None:
        """Open everything, close these channels. Raises SwitchError when the read-back differs, InstrumentError."""
        relays = self.relays(channels)
        self._switch(tsp.route(relays), frozenset(relays))

    def confirm(self, channels: tuple[str, ...]) -> None:
        """Raises SwitchError when not these channels are closed, and these alone."""
        self._switch(tsp.read_back(), frozenset(self.relays(channels)))

    def open_all(self) -> None:
        """Raises SwitchError when a relay stays closed."""
        self._switch(tsp.open_all(), frozenset())

    def drain(self) -> list[tsp.Report]:
        """Empty the error queue."""
        errors: list[tsp.Report] = []
        for _ in range(QUEUE):
            reply = self.bus.query(tsp.next_error(), self._timeout)
            report = tsp.parse_report(reply)
            if report is None:
                raise ReplyError(f"{NAME}: {reply!r} is not an entry of the error queue")
            if report.number == 0:
                return errors
            errors.append(report)
        raise ReplyError(f"{NAME}: more than {QUEUE} errors, the last {errors[-1]}")

    def _switch(self, line: str, asked: frozenset[str]) -> None:
        try:
            reply = self.bus.query(line, self._timeout)
        except BusTimeout as silence:  # a line that fails prints nothing; the reason waits in the error queue
            self._raise_first(self.resynchronise(), silence)
            raise
        state = tsp.parse_closed(reply)
        if state is None:
            raise ReplyError(f"{NAME}: {reply!r} does not say which relays are closed")
        if state.errors:
            self._raise_first(self.drain(), None)
        if state.after_open:
            raise SwitchError(f"{NAME}: still closed after opening all: {', '.join(sorted(state.after_open))}")
        if state.closed != asked:
            missing, extra = sorted(asked - state.closed), sorted(state.closed - asked)
            raise SwitchError(
                f"{NAME}: relays not closed: {missing or 'none'}; closed and not asked for: {extra or 'none'}"
            )

    def _raise_first(self, errors: list[tsp.Report], cause: Exception | None) -> None:
        if errors:
            text = "; then ".join(report.text for report in errors)
            raise InstrumentError(NAME, errors[0].number, text) from cause
