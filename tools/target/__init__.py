"""Programs for the bare Cortex-M: built with arm-none-eabi-gcc, run in QEMU or an Arm FVP.

``cpus`` names the CPUs, ``build`` makes an ELF file, ``runner`` runs it and reads its report,
``programs`` finds the test programs, ``vectors`` writes arrays as C. ``python -m target`` does
all of it and prints the results; ``tests/test_target_qemu.py`` makes pytest's of them.
"""
