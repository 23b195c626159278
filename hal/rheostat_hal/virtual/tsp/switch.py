"""The 3706A as its commands see it: channel lists, what they close, and the rules about it.

Relays of one phase operate together and take 4 ms (3730: latching, electromechanical), plus the longest channel delay.
The connect rule orders the phases of an exclusive close. A refused command has changed nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rheostat_hal.virtual.tsp.errors import CHANNEL_LIST, FORBIDDEN, GROUP, PARAMETER, SwitchRefusal
from rheostat_hal.virtual.wiring import channels_of
from rheostat_hal.virtual.world import World

RELAY_TIME = 4e-3  # s
OFF, BREAK_BEFORE_MAKE, MAKE_BEFORE_BREAK = 0, 1, 2
_NAME = re.compile(r"[A-Za-z_]\w*")
_SLOTS = range(1, 7)
FACTORY, INTERNAL = "0", "1"  # the setups that are no files: the defaults, the instrument's own memory


@dataclass(frozen=True, slots=True)
class Setup:
    """What `setup.save` keeps. That closed channels belong to it is an assumption."""

    rule: int
    closed: tuple[str, ...]
    backplane: dict[str, tuple[str, ...]]
    forbidden: frozenset[str]
    delays: dict[str, float]
    patterns: dict[str, tuple[str, ...]]


class Switch:
    """`wait` lets time pass; it raises LineAborted when the line must stop."""

    def __init__(self, world: World, wait: Callable[[float], None]) -> None:
        self._world = world
        self._wait = wait
        self._wiring = world.wiring
        self._all = {slot: channels_of(slot) for slot in self._wiring.slots}
        self._order = {
            channel: k for slot in sorted(self._all) for k, channel in enumerate(self._all[slot], 1000 * slot)
        }
        self._settle()

    def _settle(self) -> None:
        self.interlocks = dict.fromkeys(self._all, True)
        self.rule = BREAK_BEFORE_MAKE
        self._setups: dict[str, Setup] = {}
        self._patterns: dict[str, tuple[str, ...]] = {}
        self._forbidden: set[str] = set()
        self._backplane: dict[str, tuple[str, ...]] = {}
        self._delays: dict[str, float] = {}

    def power_on(self) -> None:
        """Every relay open, also latching ones (assumed), and nothing configured."""
        self._world.operate(self._wiring.closed, ())
        self._settle()

    # channel lists

    def channels(self, text: object, *, groups: bool = True, backplane_of_groups: bool = True) -> tuple[str, ...]:
        """The channels a list names, each once, in its order. Refusal: CHANNEL_LIST or GROUP."""
        if isinstance(text, int):
            text = str(text)
        if not isinstance(text, str):
            raise SwitchRefusal(PARAMETER, "a channel list must be a string")
        found: dict[str, None] = {}
        for item in re.split(r"[,;]", text):
            name = item.strip()
            if name:
                found.update(dict.fromkeys(self._named(name, groups, backplane_of_groups)))
        return tuple(found)

    def _named(self, name: str, groups: bool, backplane: bool) -> Iterable[str]:
        if name in self._order:
            return (name,)
        if name in self._patterns:
            return self._patterns[name]
        lowered = name.lower()
        if lowered == "allslots" or re.fullmatch(r"slot\d", lowered):
            if not groups:
                raise SwitchRefusal(GROUP, f"{name} cannot be closed as a whole")
            slots = self._all if lowered == "allslots" else [int(lowered[4:])]
            if any(slot not in _SLOTS for slot in slots):
                raise SwitchRefusal(CHANNEL_LIST, f"there is no slot {name}")
            return [c for s in slots for c in self._all.get(s, ()) if backplane or c[1] != "9"]
        ends = [end.strip() for end in name.split(":")]
        if len(ends) == 2 and all(end in self._order for end in ends):
            low, high = ends
            if (low[1] == "9") == (high[1] == "9") and self._order[low] <= self._order[high]:
                first, last = self._order[low], self._order[high]
                return [c for c, k in self._order.items() if first <= k <= last and (c[1] == "9") == (low[1] == "9")]
        raise SwitchRefusal(CHANNEL_LIST, f"there is no channel, range or pattern {name[:40]!r}")

    # operating relays

    def close(self, text: object) -> None:
        self._operate((), self._with_backplane(self._closable(text)))

    def open(self, text: object) -> None:
        self._operate(self._with_backplane(self.channels(text)), ())

    def exclusive_close(self, text: object) -> None:
        """Everything else opens; an empty list opens all."""
        wanted = self._with_backplane(self._closable(text))
        self._operate([c for c in self._wiring.closed if c not in wanted], wanted)

    def exclusive_slot_close(self, text: object) -> None:
        """Everything else in the slots named opens."""
        wanted = self._with_backplane(self._closable(text))
        slots = {channel[0] for channel in wanted}
        self._operate([c for c in self._wiring.closed if c[0] in slots and c not in wanted], wanted)

    def reset(self, text: object) -> None:
        """Defaults for these channels: open, allowed, no backplane relays, no delay. The connect rule stays."""
        channels = self.channels(text)
        self._operate(self._with_backplane(channels), ())
        for channel in channels:
            self._backplane.pop(channel, None)
            self._delays.pop(channel, None)
            self._forbidden.discard(channel)

    def reset_all(self) -> None:
        self.reset("allslots")
        self.rule = BREAK_BEFORE_MAKE
        self._patterns.clear()

    def _closable(self, text: object) -> tuple[str, ...]:
        channels = self.channels(text, groups=False)
        for channel in self._with_backplane(channels):
            if channel in self._forbidden:
                raise SwitchRefusal(FORBIDDEN, f"channel {channel} is forbidden to close")
        return channels

    def _with_backplane(self, channels: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        for channel in channels:
            found[channel] = None
            found.update(dict.fromkeys(self._backplane.get(channel, ())))
        return list(found)

    def _operate(self, opening: Iterable[str], closing: Iterable[str]) -> None:
        opening = [c for c in opening if self._wiring.is_closed(c)]
        # with the interlock of its card open a backplane relay silently does not energise
        closing = [c for c in closing if not self._wiring.is_closed(c) and (c[1] != "9" or self.interlocks[int(c[0])])]
        delay = max((self._delays.get(channel, 0.0) for channel in closing), default=0.0)
        phases = [(opening, []), ([], closing)]
        if self.rule == MAKE_BEFORE_BREAK:
            phases.reverse()
        elif self.rule == OFF:
            phases = [(opening, closing)]
        for opens, closes in phases:
            if opens or closes:
                self._world.operate(opens, closes)
                self._wait(RELAY_TIME + (delay if closes else 0.0))

    # asking

    def _sorted(self, channels: Iterable[str]) -> list[str]:
        return sorted(channels, key=self._order.__getitem__)

    def closed(self, text: object) -> str | None:
        """Closed channels of the list, `;` between them; None when none is."""
        asked = set(self._with_backplane(self.channels(text)))
        return ";".join(self._sorted(c for c in self._wiring.closed if c in asked)) or None

    def state(self, text: object) -> str:
        return ",".join("1" if self._wiring.is_closed(c) else "0" for c in self.channels(text))

    def forbidden(self, text: object) -> str | None:
        return ",".join(self._sorted(c for c in self.channels(text) if c in self._forbidden)) or None

    def backplane(self, text: object) -> str | None:
        channels = self.channels(text, backplane_of_groups=False)
        if not any(channel in self._backplane for channel in channels):
            return None
        return ";".join(",".join(self._backplane.get(channel, ())) or "nil" for channel in channels)

    def delays(self, text: object) -> str:
        channels = self.channels(text, backplane_of_groups=False)
        return ",".join(f"{self._delays.get(channel, 0.0):.5e}" for channel in channels)

    # configuring

    def forbid(self, text: object) -> None:
        """Patterns with a channel that is forbidden now are gone."""
        self._forbidden.update(self.channels(text))
        self._patterns = {n: channels for n, channels in self._patterns.items() if self._forbidden.isdisjoint(channels)}

    def allow(self, text: object) -> None:
        self._forbidden.difference_update(self.channels(text))

    def attach_backplane(self, text: object, relays: object) -> None:
        """These relays close and open with each channel of the list; an empty list detaches."""
        channels, attached = self.channels(text), self.channels(relays, groups=False)
        if any(relay[1] != "9" for relay in attached) or any(channel[1] == "9" for channel in channels):
            raise SwitchRefusal(CHANNEL_LIST, "backplane relays are attached to channels: 'S91r' to 'SRCC'")
        self._operate([c for c in channels if self._wiring.is_closed(c)], ())
        for channel in channels:
            if attached:
                self._backplane[channel] = attached
            else:
                self._backplane.pop(channel, None)

    def delay(self, text: object, seconds: object) -> None:
        channels = self.channels(text)
        if not isinstance(seconds, int | float) or not 0.0 <= seconds <= 60.0:
            raise SwitchRefusal(PARAMETER, "a channel delay is 0 to 60 s")
        self._delays.update(dict.fromkeys(channels, float(seconds)))

    def connect_rule(self, rule: object) -> None:
        if rule not in (OFF, BREAK_BEFORE_MAKE, MAKE_BEFORE_BREAK):
            raise SwitchRefusal(PARAMETER, "connectrule is OFF, BREAK_BEFORE_MAKE or MAKE_BEFORE_BREAK")
        self.rule = int(str(rule))

    # patterns and setups

    def keep_pattern(self, text: object, name: object) -> None:
        channels = self.channels(text, groups=False)
        if not isinstance(name, str) or not _NAME.fullmatch(name) or re.fullmatch(r"(?i)slot\d|allslots", name):
            raise SwitchRefusal(PARAMETER, "a pattern's name is a letter, then letters, digits or '_'")
        self._patterns[name] = channels

    def snapshot(self, name: object) -> None:
        """The pattern of all channels closed now."""
        self.keep_pattern(",".join(self._wiring.closed), name)

    def pattern(self, name: object) -> str:
        if name not in self._patterns:
            raise SwitchRefusal(CHANNEL_LIST, f"there is no pattern {name!s:.40}")
        return ",".join(self._patterns[str(name)])

    def drop_pattern(self, name: object) -> None:
        self.pattern(name)
        del self._patterns[str(name)]

    def save_setup(self, name: str) -> None:
        """`name`: INTERNAL, or a file on a USB drive."""
        self._setups[name] = Setup(
            self.rule,
            self._wiring.closed,
            dict(self._backplane),
            frozenset(self._forbidden),
            dict(self._delays),
            dict(self._patterns),
        )

    def recall_setup(self, name: str) -> None:
        """FACTORY, or one that was saved."""
        setup = None if name == FACTORY else self._setups.get(name)
        if setup is None and name != FACTORY:
            raise SwitchRefusal(PARAMETER, f"there is no setup {name:.40}")
        self.reset_all()
        if setup is not None:
            self.rule = setup.rule
            self._backplane, self._delays = dict(setup.backplane), dict(setup.delays)
            self._forbidden, self._patterns = set(setup.forbidden), dict(setup.patterns)
            self._operate((), setup.closed)
