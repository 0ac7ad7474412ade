"""What technicians edit: strict TOML, quantities with units, and their way to
the settings a board runs on.

- `problem`   one thing wrong in a file, and the error that carries them all
- `places`    where in a TOML file each key and value stands
- `document`, `table`  strict reading: whatever nobody asked for is an error
- `extends`   a file and those that it extends as one document
- `quantity`  text such as "45 kPa" to numbers and back
- `rows`      the firmware's table of settings, with the TOML keys
- `board`, `protocol`  the two kinds of file, `kind`  which one it is; `name`  what both
  are called; `named`  a protocol as a command line names it
- `pins`      the wiring of a board, from the table in `hal.wiring`
- `plant`     the device's own pneumatics, and their compiled section
- `chip`      what a chip asks of the settings of a board that is built with it
- `load`      both files together to checked `firmware.settings.Settings`
- `compile`   both files to what a device keeps; `compiled`  and back
- `write`     TOML files from a compiled config; `edit`  keys of a file changed in place
- `former_keys`, `former_blobs`  what earlier versions had; `migrate`  files of then
- `effective` what a file comes to and where each value came from, for `show` and `diff`
- `check`, `show`, `diff`, `pinout`, `schema`, `docs`  what the commands of those names
  print (`pinout`: pins); `command`  the commands
"""
