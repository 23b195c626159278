"""The virtual bench: a B1500A and a 3706A on loopback sockets, wired to one die of memristors.

    sockets         lines over TCP, abort while a line runs     |  clock    virtual or real time
    flex, tsp       the two instruments' languages              |  adc      resolution and noise of readings
    world           sources, relays, devices and time, integrated together
    wiring          which conductors there are                  |  network  their voltages and currents
    die             states and parameters of the devices        |  parts    all of it put together
    faults          what is scripted to go wrong, from a file   |  injection when that is

It meets the drivers in bytes only: neither imports the other.
"""

from rheostat_hal.kernels import keep

keep()
