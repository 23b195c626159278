"""The virtual B1530A. In the user's process: `standin`, with the functions of Keysight's library; it keeps the book of
patterns (`patterns`, `setup`) and speaks to the bench (`run`, `state`). In the bench's process: `server`, `module` (the
channels), `playback` (waveforms on the world), `ammeter` (what a channel measures)."""
