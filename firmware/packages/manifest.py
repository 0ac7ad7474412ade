"""The tree of a slot for a frozen build, which MicroPython's makemanifest.py reads.

    make -C ports/rp2 BOARD=RPI_PICO FROZEN_MANIFEST=.../firmware/packages/manifest.py

There is one version then instead of two slots, and a mistake in it needs a new image:
for those who build in series. /boot.py is firmware/root/boot.py as ever, the compiled
config is /config.bin, and /main.py is two lines:

    from firmware import main
    main.run()

Made by `python -m emery.flash.packages`.
"""

# `package` and `include` come with the reader. The port's own modules stay.
include("$(PORT_DIR)/boards/manifest.py")  # type: ignore[name-defined]  # noqa: F821
package(  # type: ignore[name-defined]  # noqa: F821
    "firmware",
    files=(
        "app.py",
        "black_box.py",
        "boot_record.py",
        "certificate.py",
        "config_change.py",
        "config_file.py",
        "config_ledger.py",
        "contact.py",
        "controller.py",
        "core_mark.py",
        "crystal_feed.py",
        "dwell.py",
        "faults.py",
        "footswitch.py",
        "gate.py",
        "handpiece.py",
        "import_order.py",
        "journal.py",
        "limits.py",
        "line.py",
        "link.py",
        "main.py",
        "panel.py",
        "passes.py",
        "plan.py",
        "proof.py",
        "protection.py",
        "pump_rest.py",
        "self_test.py",
        "sensing.py",
        "service.py",
        "settings.py",
        "slots.py",
        "state.py",
        "storage.py",
        "treatment.py",
        "vacuum_regulator.py",
    ),
    base_path="../..",
)
package(  # type: ignore[name-defined]  # noqa: F821
    "hal",
    files=(
        "board.py",
        "console.py",
        "contract.py",
        "esp32.py",
        "flash_storage.py",
        "rp2040.py",
        "sensors/abp2.py",
        "sensors/bmp280.py",
        "sensors/bus.py",
        "sensors/device.py",
        "sensors/lis3dh.py",
        "sensors/xgzp6897d.py",
        "wiring.py",
    ),
    base_path="../..",
)
