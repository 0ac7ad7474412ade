"""The reference hardware: its parts, what they work out to, and its drawings.

- `parts`    every part with its value and data sheet, and the mathematics of the
  barriers: drop-out time, comparator, dividers
- `pen`      a sheet of SVG, and the symbols of a schematic
- `schematic`, `protection`, `air`  the three drawings of `hal/`
- `page`     the tables of `hal/README.md`

`python -m emery.hardware` writes drawings and tables afresh. A test holds the
files equal to what is made here, and the parts equal to the board configs.
"""
