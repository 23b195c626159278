"""The B1530A WGFMU through Keysight's library: `library` calls it, `waveform` says what to play, `session` plays it on
the channels, `analyser` makes events of it."""
