"""``scons tflm=DIR``: whole models in a TFLM that the user's own build has made.

By means of `arenafit.target.tflm`; ``compare`` holds arenafit's planner, operators and plans
against stock.
"""
