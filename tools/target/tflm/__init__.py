"""``scons tflm=DIR``: whole models in a TFLM that the user's own build has made.

``tree`` finds the library and says how code for it is compiled, ``programs`` links ``run_model.cc``
with it, ``job`` is what goes into such a program and what comes out, ``compare`` holds arenafit's
planner, operators and plans against stock. Nothing here fetches or builds TFLM.
"""
