"""A crossbar of two-terminal devices whose row is written by an SPGU and read by an SMU, behind a selector."""

from __future__ import annotations

from pathlib import Path

from rheostat_hal import bench
from rheostat_hal.bench import Bench

PULSER, ROW, COLUMN = 101, 3, 4
D1 = ("1101", "1202")  # its relays: row, column
TEXT = """
name = "crossbar"
[analyser]
smus = { row = 3, column = 4 }
adc = "high-speed"
averaging = 20
read_range_a = 1e-3
[spgu]
channel = 101
selector_port = 0
[switch]
rows = { row = 1, column = 2 }
chain = "external"
cards = { 1 = "3730" }
[lines]
r1 = "101"
r2 = "103"
c1 = "102"
c2 = "104"
[limits]
max_voltage_v = 2.0
max_width_s = 1e-3
compliance_a = 1e-2
max_energy_j = 1e-3
max_pulses_per_device = 10000
read_voltage_v = 0.1
[windows.x]
lrs_ohm = 250.0
hrs_ohm = 400.0
[[devices]]
name = "D1"
kind = "x"
row = "r1"
column = "c1"
[[devices]]
name = "D2"
kind = "x"
row = "r2"
column = "c2"
[virtual]
model = "{model}"
seed = 5
"""


def crossbar(folder: Path, model: str = "tio2x-4t") -> Bench:
    """A four-terminal device with its terminals joined in pairs is a resistor of 120 ohm that nothing moves."""
    path = folder / f"{model}.toml"
    path.write_text(TEXT.replace("{model}", model))
    return bench.load(path)
