"""Everything measured in one run on one machine: `emery bench`.

`keys` names the figures and their goals, `run` measures them group by group,
`table` prints them, `baseline` says whether a change has made one worse.
"""
