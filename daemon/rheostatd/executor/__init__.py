"""The process that alone opens the instruments: runs jobs within the limits, records every write pulse, dies safe."""
