"""Whole models in a TFLM that its user's own build has made.

``tree`` finds the library and says how code for it is compiled, ``programs`` links
``program/run_model.cc`` with it, ``job`` is what goes into such a program and what comes out.
Nothing here fetches or builds TFLM.
"""
