"""Programs for the bare Cortex-M: built with arm-none-eabi-gcc, run in QEMU.

``cpus`` names the CPUs, ``build`` makes an ELF file, ``qemu`` runs it. ``device/`` is what such a
program stands on: start-up code, linker script, a clock that counts instructions, a measured stack.
"""
