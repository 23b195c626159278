"""A device characterised as the papers do: the whole measurement programme, its figures of merit, one report.

    import rheostat
    done = rheostat.characterise(rheostat.connect(), "diao2025", out="a1")
    done.figures        # each with its uncertainty, beside what the paper prints
    done.report("a1/report.html")

`profile` (what is measured, from a TOML file), `programme` (runs it as jobs of the daemon, and goes on after a stop),
`merits` (figures of merit from results), `record` (all of it, and as HDF5), `compare` (two of them side by side),
`command` (the command line).
"""
