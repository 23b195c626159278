"""What is said to any B1500A over its bus: who are you, what is in your slots, what went wrong."""

from __future__ import annotations

from collections.abc import Container

from rheostat_hal.bus import Bus
from rheostat_hal.drivers import flex
from rheostat_hal.errors import BusTimeout, IdentityError, InstrumentError, ReplyError, UnsafeError
from rheostat_hal.values import InstrumentIdentity

QUEUE = 31  # the error queue holds 30
OLD_REPLIES = 100  # lines that may still come from before a device clear
SMUS = ("B1510A", "B1511A", "B1511B", "B1517A")
ZERO = 0.01  # V, what counts as 0 V: far above an SMU's offset in the 2 V range, far below what moves a device


class FlexLink:
    """A B1500A at the other end of `bus`. `name`: in the bench; `timeout`: s beyond the duration of a line."""

    def __init__(self, name: str, bus: Bus, timeout: float) -> None:
        self.name = name
        self.bus = bus
        self._timeout = timeout

    def abort(self) -> None:
        """From any thread: stop what the instrument does, outputs to 0 V."""
        self.bus.abort()

    def close(self) -> None:
        self.bus.close()

    def resynchronise(self) -> tuple[InstrumentIdentity, list[flex.Report]]:
        """Device clear, skip old replies up to the identity, empty the error queue: who it is, the errors it held."""
        self.bus.clear()
        self.bus.write("*IDN?")
        foreign = ""
        for _ in range(OLD_REPLIES):  # one may have been late: what comes before the identity says nothing about it
            try:
                said = self.bus.read(self._timeout)
            except BusTimeout:
                if foreign:
                    break
                raise
            identity = flex.parse_identity(said)
            if identity is not None:
                return self._identified(identity), self.drain()
            if not flex.is_reply(said):
                foreign = said
        raise IdentityError(self.name, 0, f"{self.bus.resource} is not a B1500A, it says {foreign or said!r}")

    def _identified(self, identity: tuple[str, str, str, str]) -> InstrumentIdentity:
        if identity[1] != "B1500A":
            raise IdentityError(self.name, 0, f"{self.bus.resource} is not a B1500A but {' '.join(identity[:2])}")
        return InstrumentIdentity(self.name, *identity, self.bus.resource)

    def modules(self) -> dict[int, str]:
        """slot -> model; empty slots are left out."""
        reply = self.bus.query("UNT? 0", self._timeout)
        units = flex.parse_units(reply)
        if units is None:
            raise ReplyError(f"{self.name}: {reply!r} is not a list of modules")
        return units

    def modules_with(
        self, wired: tuple[tuple[str, int], ...], models: Container[str], what: str
    ) -> tuple[tuple[int, str], ...]:
        """slot, model of every module. Raises IdentityError when a slot that something is wired to holds no `what`."""
        units = self.modules()
        for terminal, slot in wired:
            if units.get(slot) not in models:
                holds = units.get(slot, "no module")
                raise IdentityError(
                    self.name, 0, f"{terminal} is wired to slot {slot}, which holds {holds}, not {what}"
                )
        return tuple(sorted(units.items()))

    def outputs(self) -> frozenset[int]:
        """The channels whose output switch is on, as the instrument says."""
        reply = self.bus.query("*LRN? 0", self._timeout)
        on = flex.parse_outputs(reply)
        if on is None:
            raise ReplyError(f"{self.name}: {reply!r} is not a state of output switches")
        return on

    def command(self, *sentences: str, timeout: float = 0.0) -> None:
        """Sentences without data, in one line with the error query."""
        self.exchange(flex.line(*sentences, "ERRX?"), {}, timeout)

    def exchange(self, line: str, wanted: dict[tuple[int, str], int], duration: float = 0.0) -> list[flex.Item]:
        """Send one line that ends in ERRX?, collect `wanted` items ((channel, kind) -> count) and the error report.

        duration: s the line takes by its own program. Raises InstrumentError with the instrument's number and text,
        also when an error in mid-line left everything unanswered; BusTimeout when it has nothing to say about it.
        """
        missing = dict(wanted)
        items: list[flex.Item] = []
        reported = False
        self.bus.write(line)
        try:
            while missing or not reported:
                reply = self.bus.read(duration + self._timeout)
                if reply == flex.NO_ERROR and not reported:
                    reported = True
                    continue
                data = flex.parse_data(reply)
                if data is not None:
                    for item in data:
                        key = (item.channel, item.kind)
                        left = missing.pop(key, 0) - 1
                        if left < 0:
                            raise ReplyError(f"{self.name}: {reply!r} is more than {line!r} asks for")
                        if left:
                            missing[key] = left
                    items += data
                    continue
                report = flex.parse_report(reply)
                if report is None or reported:
                    raise ReplyError(f"{self.name}: {reply!r} answers nothing in {line!r}")
                if report.number:
                    raise self._error([report, *self.drain()])
                reported = True
        except BusTimeout as silence:
            errors = self.resynchronise()[1]  # an error stops the rest of its line, the error query included
            if errors:
                raise self._error(errors) from silence
            raise
        return items

    def confirm_zero(self, *sentences: str, among: tuple[int, ...]) -> None:
        """Say this, then measure these SMUs. Raises UnsafeError when one is not at 0 V."""
        measure = [flex.spot_voltage(channel, 20) for channel in among]
        wanted = {(channel, "V"): 1 for channel in among}
        for item in self.exchange(flex.line(*sentences, *measure, "ERRX?"), wanted):
            if not abs(item.value) < ZERO:
                raise UnsafeError(f"{self.name}: SMU {item.channel} is at {item.value:g} V after it was told 0 V")

    def switch_off(self) -> None:
        """Every output switch of the mainframe off, read back. Raises UnsafeError."""
        self.command("CL")
        on = self.outputs()
        if on:
            raise UnsafeError(f"{self.name}: outputs still on: {flex.channels(sorted(on))}")

    def drain(self) -> list[flex.Report]:
        """Empty the error queue; data and identities that were under way are thrown away."""
        errors: list[flex.Report] = []
        while len(errors) < QUEUE:
            self.bus.write("ERRX?")
            while (report := flex.parse_report(reply := self.bus.read(self._timeout))) is None:
                if flex.parse_data(reply) is None and flex.parse_identity(reply) is None:
                    raise ReplyError(f"{self.name}: {reply!r} is not an entry of the error queue")
            if report.number == 0:
                return errors
            errors.append(report)
        raise ReplyError(f"{self.name}: more than {QUEUE} errors, the last {errors[-1]}")

    def _error(self, errors: list[flex.Report]) -> InstrumentError:
        return InstrumentError(self.name, errors[0].number, "; then ".join(report.text for report in errors))
