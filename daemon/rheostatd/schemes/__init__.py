"""How devices are programmed: schemes as compiled scalar policies, and the evidence on which they accept."""

from rheostat_hal.kernels import keep

keep()
