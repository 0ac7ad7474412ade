"""What technicians edit: strict TOML, quantities with units, and their way to
the settings a board runs on.

- `problem`   one thing wrong in a file, and the error that carries them all
- `places`    where in a TOML file each key and value stands
- `document`, `table`  strict reading: whatever nobody asked for is an error
- `quantity`  text such as "45 kPa" to numbers and back
- `rows`      the firmware's table of settings, with the TOML keys
- `board`, `protocol`  the two kinds of file
- `load`      both files together to checked `firmware.settings.Settings`
- `check`     what `emery config check` prints
"""
