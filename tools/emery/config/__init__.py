"""What technicians edit: strict TOML, quantities with units, and their way to
the settings a board runs on.

- `problem`   one thing wrong in a file, and the error that carries them all
- `places`    where in a TOML file each key and value stands
- `document`, `table`  strict reading: whatever nobody asked for is an error
- `quantity`  text such as "45 kPa" to numbers and back
- `rows`      the firmware's table of settings, with the TOML keys
- `board`, `protocol`  the two kinds of file; `name`  what both are called
- `pins`      the wiring of a board, from the table in `hal.wiring`
- `chip`      what a chip asks of the settings of a board that is built with it
- `load`      both files together to checked `firmware.settings.Settings`
- `compile`   both files to what a device keeps
- `check`     what `emery config check` prints
"""
