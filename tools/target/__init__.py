"""Test programs on the bare Cortex-M, in QEMU or an Arm FVP, by means of `arenafit.target`.

``build`` adds the harness of tests/target, ``runner`` runs a program and reads its report,
``programs`` finds the test programs, ``vectors`` writes arrays as C. ``python -m target`` does
all of it and prints the results; ``tests/test_target_qemu.py`` makes pytest's of them.
"""
