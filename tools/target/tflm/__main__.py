"""Links a TFLM that its user has built, and runs whole models in it.

Each model runs as it is and optimized, with TFLM's planner and with arenafit's; all outputs must
be stock's. Exit status 0 if they are, 1 if not, 2 if something is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from arenafit.errors import ArenafitError, ModelError
from arenafit.runtime import Session
from arenafit.target.build import BuildError
from arenafit.target.cpus import CPUS
from arenafit.target.tflm.programs import build, wheres
from arenafit.target.tflm.tree import Library, TreeError, find_libraries
from target.build import ROOT
from target.tflm.compare import Subject, compare, operators, prepare, table


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m target.tflm", description=__doc__)
    parser.add_argument("tree", type=Path, help="TFLM's source tree")
    parser.add_argument("models", type=Path, nargs="*", help="default: those of models/")
    parser.add_argument(
        "--device", action="store_true", help="a Cortex-M in QEMU, not this machine"
    )
    parser.add_argument("--cpu", choices=sorted(CPUS), help="with --device; default: all built for")
    parser.add_argument("--kernels", default="any", help="as for arenafit optimize")
    parser.add_argument("--inputs", type=int, default=4, help="how many a model is fed; default: 4")
    parser.add_argument("--folder", type=Path, default=Path("build"), help="where to build")
    given = parser.parse_args(arguments)
    cpus: Sequence[str | None] = [None]
    if given.device:
        cpus = [given.cpu] if given.cpu else list(CPUS)
    try:
        libraries = find_libraries(given.tree.resolve(), cpus)
        subjects = _prepare(given.models or sorted((ROOT / "models").glob("*.tflite")), given)
        failed = sum(_compare(library, subjects, given.folder) for library in libraries)
    except (TreeError, ArenafitError) as error:
        print(f"tflm: {error}", file=sys.stderr)
        return 2
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if failed else 0


def _prepare(models: Sequence[Path], given: argparse.Namespace) -> list[Subject]:
    subjects = []
    with Session() as session:
        for path in models:
            try:
                data = path.read_bytes()
            except OSError as error:
                raise ModelError(str(error.strerror), str(path)) from error
            try:
                subject = prepare(
                    session,
                    path.name,
                    data,
                    inputs=given.inputs,
                    kernels=given.kernels,
                    cpu=given.cpu,
                )
            except ModelError as error:
                raise ModelError(str(error), str(path)) from error
            subjects.append(subject)
    return subjects


def _compare(library: Library, subjects: Sequence[Subject], folder: Path) -> int:
    """Prints a table for each model; returns how many variants failed."""
    print(f"{wheres(library)}, TFLM with {library}", flush=True)
    name = library.path.parents[1].name
    run = build(library, operators(subjects), folder.resolve() / "tflm" / name).run
    failed = 0
    for subject in subjects:
        cases = compare(subject, run)
        print("\n".join(table(subject, cases)), flush=True)
        failed += sum(not case.holds for case in cases)
    return failed


if __name__ == "__main__":
    sys.exit(main())
