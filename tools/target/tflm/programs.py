"""A program that runs models: ``run_model.cc``, arenafit's kernels and planner, a TFLM library."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from arenafit.graph import load
from arenafit.sources import kernels
from arenafit.target.build import (
    BuildError,
    build_library,
    compile_object,
    core_include,
    core_sources,
    link,
)
from arenafit.target.cpus import CPUS, Cpu
from arenafit.target.qemu import in_memory, run_in_qemu
from target.tflm.job import Answer, JobError, job_bytes, read_answer
from target.tflm.tree import Library, TreeError, operator_methods

__all__ = ["Run", "build", "operators_header", "wheres"]

Run = Callable[[bytes, Sequence[bytes], str], Answer]
"""Runs a model on inputs, one for each invocation, with one of `job.PLANNERS`."""

_HERE = Path(__file__).resolve().parent
_STACK_BYTES = 32 * 1024
_TIMEOUT = 600.0  # seconds for one job


def operators_header(methods: dict[str, str], operators: set[str]) -> str:
    """``operators.h``: adds these operators to a resolver, and says how many they are.

    Raises:
        TreeError: `methods`, as `tree.operator_methods` has them, lack one.
    """
    if missing := sorted(operators - methods.keys()):
        raise TreeError(f"this TFLM has no operator {missing[0]}")
    calls = "".join(
        f"  ok = resolver.{methods[name]}() == 0 && ok;\n" for name in sorted(operators)
    )
    return (
        "// Generated.\n"
        '#include "arenafit/tflm_compat.h"\n'
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"\n'
        "namespace arenafit {\n"
        "namespace tflm {\n"
        f"constexpr int kOperators = {len(operators)};\n"
        "template <typename Resolver>\n"
        "TfLiteStatus AddOperators(Resolver& resolver) {\n"
        "  bool ok = true;\n"
        f"{calls}"
        "  return ok ? kTfLiteOk : kTfLiteError;\n"
        "}\n"
        "}  // namespace tflm\n"
        "}  // namespace arenafit\n"
    )


def build(library: Library, operators: set[str], folder: Path) -> Run:
    """Builds the program in `folder`, for models of these operators; returns how to run them.

    Raises:
        TreeError: TFLM lacks an operator.
        BuildError: with the message of compiler or linker.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = operators_header(operator_methods(library.tree), operators)
    (folder / "operators.h").write_text(header, encoding="ascii")
    if library.cpu is None:
        return _host(library, folder)
    return _device(library, CPUS[library.cpu], folder)


def wheres(library: Library) -> str:
    """Where the library's programs run, for people."""
    if library.cpu is None:
        return "this machine"
    return f"{library.cpu}, QEMU {CPUS[library.cpu].machine}"


def _sources(machine: str) -> list[Path]:
    own = [_HERE / "run_model.cc", _HERE / f"machine_{machine}.cc"]
    return [*own, *sorted((kernels() / "tflm" / "src").glob("*.cc"))]


def _flags(library: Library, folder: Path) -> list[str]:
    own = [f"-I{path}" for path in (folder, _HERE, kernels() / "tflm" / "include")]
    theirs = [word for path in library.include for word in ("-isystem", str(path))]
    return [*own, *theirs, *(f"-D{define}" for define in library.defines), *library.flags]


def _device(library: Library, cpu: Cpu, folder: Path) -> Run:
    flags = [*_flags(library, folder), f"-DJOB_ADDRESS={cpu.outside:#x}u"]
    objects = [
        compile_object(cpu, source, folder / f"{source.name}.o", flags=flags)
        for source in _sources("device")
    ]
    core = build_library(cpu, folder)
    elf = link(
        cpu,
        [*objects, library.path, core],
        folder / "run_model.elf",
        memory=cpu.machine_memory,  # stock must run, too, to be compared
        stack_bytes=_STACK_BYTES,
        libraries=["stdc++"],
    )
    job = folder / "job.bin"

    def run(model: bytes, inputs: Sequence[bytes], planner: str) -> Answer:
        job.write_bytes(_job(model, inputs, planner))
        loaded = in_memory(job, cpu.outside)
        printed = run_in_qemu(elf, cpu, timeout=_TIMEOUT, options=loaded)
        return read_answer(printed.lines, printed.exit_code, len(inputs))

    return run


def _host(library: Library, folder: Path) -> Run:
    compilers = {suffix: _compiler(name) for suffix, name in ((".c", "cc"), (".cc", "c++"))}
    languages = {".c": ["-std=c11"], ".cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"]}
    flags = ["-O2", "-Wall", "-Wextra", f"-I{core_include()}", *_flags(library, folder)]
    objects = []
    for source in [*_sources("host"), *core_sources()]:
        output = folder / f"{source.name}.o"
        command = [compilers[source.suffix], *languages[source.suffix], *flags]
        _say([*command, "-c", str(source), "-o", str(output)])
        objects.append(str(output))
    program = folder / "run_model"
    _say([compilers[".cc"], *objects, str(library.path), "-lm", "-o", str(program)])
    job = folder / "job.bin"

    def run(model: bytes, inputs: Sequence[bytes], planner: str) -> Answer:
        job.write_bytes(_job(model, inputs, planner))
        try:
            done = subprocess.run(
                [program, job],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise JobError(f"no end after {_TIMEOUT:.0f} s") from error
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        return read_answer(lines, done.returncode, len(inputs))

    return run


def _job(model: bytes, inputs: Sequence[bytes], planner: str) -> bytes:
    graphs = load(model).subgraphs
    variables = sum(op.name == "VAR_HANDLE" for graph in graphs for op in graph.operators)
    return job_bytes(model, inputs, planner, variables=variables)


def _compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BuildError(f"no {name} on PATH")
    return found


def _say(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stdout}{done.stderr}".rstrip())
