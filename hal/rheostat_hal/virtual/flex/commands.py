"""Fills the command table: importing this module imports every group of commands."""

from rheostat_hal.virtual.flex import general, learn, measure, output, program, pulse, sampling, spgu_commands, sweep

__all__ = ["general", "learn", "measure", "output", "program", "pulse", "sampling", "spgu_commands", "sweep"]
