"""``scons tflm=DIR``: which trees are taken, how code for them is compiled, what counts as equal.

The trees are made up. That models run in a real one is shown by the last test, with TFLM's own
headers and library from PyPI (support.xmos) laid out as TFLM's Makefile would.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from arenafit.graph import load, save
from arenafit.runtime import available, unavailable_reason
from arenafit.target.build import missing_packages
from arenafit.target.tflm.job import Answer, JobError, job_bytes, read_answer
from arenafit.target.tflm.programs import operators_header
from arenafit.target.tflm.tree import TreeError, find_libraries, operator_methods
from support.native import compiler
from support.pooling import pooled, pooled_in_place
from support.xmos import GEMMLOWP
from target.tflm.__main__ import main
from target.tflm.compare import Subject, Variant, compare, operators, table

ROOT = Path(__file__).resolve().parents[1]
MAKE = "tensorflow/lite/micro/tools/make"
RESOLVER = "tensorflow/lite/micro/micro_mutable_op_resolver.h"
HEADERS = (
    f"{MAKE}/downloads/flatbuffers/include/flatbuffers/flatbuffers.h",
    f"{MAKE}/downloads/gemmlowp/fixedpoint/fixedpoint.h",
    f"{MAKE}/downloads/ruy/ruy/profiler/instrumentation.h",
)
LIBRARY = "lib/libtensorflow-microlite.a"
M4 = "cortex_m_generic_cortex-m4+fp_release_with_logs_gcc"
M4_CMSIS = "cortex_m_generic_cortex-m4+fp_default_cmsis_nn_gcc"
LINUX = "linux_x86_64_release_gcc"

MakeTree = Callable[..., Path]


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    def make(*folders: str) -> Path:
        tree = tmp_path / "tree"
        files = [f"{MAKE}/Makefile", *HEADERS, *(f"gen/{name}/{LIBRARY}" for name in folders)]
        for file in files:
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            (tree / file).touch()
        return tree

    return make


# --- which library --------------------------------------------------------------------------


def test_every_library_for_a_cpu_is_found_with_the_flags_of_its_build(make_tree: MakeTree):
    tree = make_tree(M4, M4_CMSIS, LINUX, "cortex_m_generic_cortex-m55_default_gcc")
    cmsis, reference = find_libraries(tree, ["cortex-m4"])
    assert (str(cmsis), str(reference)) == (
        "cmsis_nn kernels, default",
        "reference kernels, release_with_logs",
    )
    assert cmsis.path == tree / "gen" / M4_CMSIS / LIBRARY
    assert cmsis.defines == ("TF_LITE_STATIC_MEMORY", "CMSIS_NN")
    assert reference.defines == ("TF_LITE_STATIC_MEMORY", "NDEBUG")
    assert cmsis.flags == reference.flags == ("-funsigned-char",)
    (host,) = find_libraries(tree, [None])
    assert host.defines == ("TF_LITE_STATIC_MEMORY", "NDEBUG", "TF_LITE_STRIP_ERROR_STRINGS")
    assert host.flags == ()
    assert {path.name for path in host.include} == {"tree", "include", "gemmlowp", "ruy"}


def test_several_cpus_are_taken_in_their_order_and_those_without_a_library_left_out(
    make_tree: MakeTree,
):
    tree = make_tree("cortex_m_corstone_300_cortex-m55_default_cmsis_nn_ethos_u_gcc", M4)
    found = find_libraries(tree, ["cortex-m4", "cortex-m7", "cortex-m55"])
    assert [library.cpu for library in found] == ["cortex-m4", "cortex-m55"]
    assert found[1].kernels == ("cmsis_nn", "ethos_u")


@pytest.mark.parametrize(
    "folder",
    [
        "cortex_m_generic_cortex-m4_default_gcc",  # soft floating point: another calling convention
        "cortex_m_generic_cortex-m4+fp_default_armclang",
        "cortex_m_generic_cortex-m4+fp_default_my_own_kernels_gcc",  # who knows what it defines
        "cortex_m_generic_cortex-m4+fp_fast_gcc",
        "cortex-m4+fp",
    ],
)
def test_a_library_made_for_something_else_is_not_taken(make_tree: MakeTree, folder: str):
    tree = make_tree(folder)
    with pytest.raises(TreeError) as caught:
        find_libraries(tree, ["cortex-m4"])
    assert "TARGET=cortex_m_generic TARGET_ARCH=cortex-m4+fp and gcc" in str(caught.value)
    assert str(caught.value).endswith(f"it has {folder}")


# --- which operators ------------------------------------------------------------------------

SOME_METHODS = """
  TfLiteStatus AddCustom(const char* name, const TFLMRegistration* registration) {
    return kTfLiteError;
  }
  TfLiteStatus AddConv2D(
      const TFLMRegistration& registration = Register_CONV_2D()) {
    return AddBuiltin(BuiltinOperator_CONV_2D, registration, ParseConv2D);
  }
  TfLiteStatus AddDelay() {
    // a remark
    return AddCustom("SignalDelay", tflite::tflm_signal::Register_DELAY());
  }
  TfLiteStatus AddDecode() {
    const TFLMRegistration& registration = tflite::Register_DECODE();
    return AddCustom("TFLM_DECODE", &registration);
  }
"""


def test_methods_that_add_operators_are_read_from_the_trees_own_header(make_tree: MakeTree):
    tree = make_tree(M4)
    with pytest.raises(TreeError, match="cannot be read"):
        operator_methods(tree)
    (tree / RESOLVER).write_text("class MicroMutableOpResolver;", encoding="utf-8")
    with pytest.raises(TreeError, match="has no methods that add an operator"):
        operator_methods(tree)
    (tree / RESOLVER).write_text(SOME_METHODS, encoding="utf-8")
    methods = operator_methods(tree)
    assert methods == {
        "CONV_2D": "AddConv2D",
        "SignalDelay": "AddDelay",
        "TFLM_DECODE": "AddDecode",
    }
    assert "resolver.AddConv2D() == 0" in operators_header(methods, {"CONV_2D"})
    assert "kOperators = 1;" in operators_header(methods, {"CONV_2D"})
    with pytest.raises(TreeError, match="this TFLM has no operator MFCC"):
        operators_header(methods, {"CONV_2D", "MFCC"})


# --- what a program prints ------------------------------------------------------------------


def test_a_profile_has_the_operators_of_each_invocation():
    first = ("EVENT CONV_2D 70", "EVENT a custom one 8", "RAN instructions=0 stack=0", "OUT 00")
    second = ("EVENT CONV_2D 71", *first[1:])
    answer = read_answer(["HEAD 96", "USED 160", *first, *second, "END"], 0, 2)
    assert answer.operators == (
        (("CONV_2D", 70), ("a custom one", 8)), (("CONV_2D", 71), ("a custom one", 8)),
    )  # fmt: skip


LINES = ("HEAD 96", "USED 160", "RAN instructions=70 stack=8", "OUT 0001", "OUT ff", "END")


def test_an_answer_has_sizes_instructions_and_outputs_whole():
    log = ("TFLM says this and that", "arenafit: memory planned anew")
    second = ("RAN instructions=71 stack=12", "OUT 020304")
    answer = read_answer([*log, *LINES[:-1], *second, "END"], 0, 2)
    outputs, notes = (b"\0\1\xff", b"\2\3\4"), ("memory planned anew",)
    assert answer == Answer(96, 160, (70, 71), 12, outputs, notes)
    assert answer.tail == 64


@pytest.mark.parametrize(
    ("lines", "status", "message"),
    [
        ((), 0, "it printed nothing"),
        ((), None, "no end"),
        (LINES, 1, "END .exit status 1."),
        (LINES[:-1], 0, "OUT ff"),
        (LINES[1:], 0, "1 of 1 invocations"),
        ((*LINES[:3], "END"), 0, "1 of 1 invocations"),
        (("HEAD 96", "USED 160", "END"), 0, "0 of 1 invocations"),
        (("AllocateTensors() failed",), 1, r"AllocateTensors\(\) failed"),
    ],
)
def test_a_program_that_does_not_run_the_model_is_no_answer(
    lines: tuple[str, ...], status: int | None, message: str
):
    assert read_answer(LINES, 0, 1)
    with pytest.raises(JobError, match=message):
        read_answer(lines, status, 1)


def test_inputs_of_several_sizes_are_no_job():
    assert len(job_bytes(b"model", [b"a", b"b"], "greedy")) % 16 == 0
    for inputs in ([], [b"a", b"bc"]):
        with pytest.raises(ValueError, match="inputs"):
            job_bytes(b"model", inputs, "greedy")


# --- what counts as equal -------------------------------------------------------------------

OURS = Variant("ours", b"m", "arenafit")
SUBJECT = Subject("m.tflite", (b"in",), (b"\1\2",), (Variant("stock", b"m", "greedy"), OURS))


def answering(stock: bytes | None, ours: bytes | None) -> Callable[..., Answer]:
    def run(model: bytes, inputs: Sequence[bytes], planner: str) -> Answer:
        output = stock if planner == "greedy" else ours
        if output is None:
            raise JobError("AllocateTensors() failed")
        return Answer(96, 160, (70,), 8, (output,))

    return run


def test_one_byte_that_differs_from_stocks_fails():
    same = compare(SUBJECT, answering(b"\1\2", b"\1\2"))
    assert [case.holds for case in same] == [True, True]
    other = compare(SUBJECT, answering(b"\1\2", b"\1\3"))
    assert [case.holds for case in other] == [True, False]
    assert "DIFFERENT in 1 of 1" in "\n".join(table(SUBJECT, other))


def test_kernels_that_differ_from_the_hosts_are_told_and_do_not_fail():
    cases = compare(SUBJECT, answering(b"\7\2", b"\7\2"))
    assert all(case.holds for case in cases)
    assert "not the host's in 1 of 1" in "\n".join(table(SUBJECT, cases))


@pytest.mark.parametrize("outputs", [(None, b"\1\2"), (b"\1\2", None), (None, None)])
def test_what_does_not_run_fails_with_its_reason(outputs: tuple[bytes | None, bytes | None]):
    cases = compare(SUBJECT, answering(*outputs))
    assert not cases[1].holds
    assert "FAILED: AllocateTensors() failed" in "\n".join(table(SUBJECT, cases))


def test_operators_of_arenafits_own_are_not_asked_of_tflm():
    stock, own = (Variant("", save(model), "greedy") for model in (pooled(), pooled_in_place()))
    assert operators([replace(SUBJECT, variants=(own,))]) == {"CONV_2D"}
    assert operators([replace(SUBJECT, variants=(own, stock))]) == {"CONV_2D", "MAX_POOL_2D"}


# --- scons ----------------------------------------------------------------------------------


def scons(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "SCons", "-Q", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tflm=docs",), "tflm=docs is not a TFLM source tree: it has no tensorflow/"),
        (("tflm={}",), "tflm={}/gen has no library made with no TARGET, on Linux"),
        (("tflm={}", "model=none.tflite", "target=host"), "tflm={}/gen has no library"),
        (("test", "tflm={}"), "tflm= goes without test"),
        (("model=a.tflite",), "model= goes with tflm="),
        (("inputs=3",), "inputs= goes with tflm="),
    ],
)
def test_scons_says_in_one_line_why_it_does_not_link(
    make_tree: MakeTree, arguments: tuple[str, ...], message: str
):
    tree = make_tree(M4)
    done = scons(*(argument.format(tree) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"scons: {message.format(tree)}")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(bool(missing_packages(cxx=True)), reason="no Arm compiler for C++, or no QEMU")
def test_scons_looks_for_the_cpu_and_the_models_that_are_asked_for(make_tree: MakeTree):
    tree = make_tree(M4)
    device = (f"tflm={tree}", "target=cortex_m_qemu")
    done = scons(*device, "cpu=cortex-m7")
    assert done.returncode == 2
    assert "TARGET_ARCH=cortex-m7+fp and gcc; it has cortex_m_generic_cortex-m4+fp" in done.stderr
    done = scons(*device, "cpu=cortex-m4", "model=none.tflite")
    assert (done.returncode, done.stderr) == (2, "scons: model=none.tflite: no such file\n")


def test_a_tree_without_the_headers_that_its_build_would_have_got_is_refused(make_tree: MakeTree):
    tree = make_tree(M4)
    for header in HEADERS:
        (tree / header).unlink()
        with pytest.raises(TreeError, match=f"{header}: build TFLM there first"):
            find_libraries(tree, ["cortex-m4"])
        (tree / header).touch()


# --- a real TFLM ----------------------------------------------------------------------------


@pytest.fixture
def real_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TFLM's headers and library from PyPI where TFLM's own Makefile would have put them."""
    found = importlib.util.find_spec("xmos_ai_tools")
    if found is None or not found.submodule_search_locations or not GEMMLOWP.is_dir():
        pytest.skip("no xmos-ai-tools, or no libgemmlowp-dev")
    if not available():
        pytest.skip(unavailable_reason() or "")
    package = Path(found.submodule_search_locations[0])
    include = package / "runtime" / "include"
    shared = package / "xinterpreters" / "libs" / "linux"
    tree = tmp_path / "real"
    for file in (f"{MAKE}/Makefile", HEADERS[2]):
        (tree / file).parent.mkdir(parents=True)
        (tree / file).touch()
    for folder in ("tensorflow", "tensorflow/lite", "tensorflow/lite/micro"):
        for path in (include / folder).iterdir():
            if not (tree / folder / path.name).exists():
                (tree / folder / path.name).symlink_to(path)
    downloads = tree / MAKE / "downloads"
    (downloads / "flatbuffers").mkdir()
    (downloads / "flatbuffers" / "include").symlink_to(include)
    (downloads / "gemmlowp").symlink_to(GEMMLOWP)
    library = tree / "gen" / "linux_x86_64_no_tf_lite_static_memory_gcc" / LIBRARY
    library.parent.mkdir(parents=True)
    library.write_text(f"INPUT({shared / 'xtflm_python.so'})\n", encoding="utf-8")
    # That TFLM has its classes in a namespace of another name.
    script = tmp_path / "bin" / "c++"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\nexec {compiler("c++")} -Dtflite=tflite_micro -Wl,-rpath,{shared} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    return tree


def operators_of_a_profile(build: Path, model: bytes) -> list[tuple[str, int]]:
    """What the program in `build` says of a model's operators; this machine counts no instructions."""
    (program,) = build.rglob("run_model")
    job = program.with_name("job.bin")
    interface = load(model).main.inputs
    inputs = [bytes(sum(tensor.nbytes for tensor in interface))]
    job.write_bytes(job_bytes(model, inputs, "greedy", profile=True))
    done = subprocess.run([program, job], capture_output=True, text=True, check=True)
    return list(read_answer((done.stdout + done.stderr).splitlines(), 0, 1).operators[0])


def test_models_run_in_a_real_tflm_and_say_what_they_need(
    real_tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    good, bad = tmp_path / "pooled.tflite", tmp_path / "overlapping.tflite"
    good.write_bytes(save(pooled()))
    build = ["--folder", str(tmp_path / "build"), "--inputs", "2"]
    assert main([str(real_tree), str(good), *build]) == 0
    said = capfd.readouterr().out
    assert said.startswith("this machine, TFLM with reference kernels, no_tf_lite_static_memory")
    heads = {line[:32].strip(): line[32:].split()[0] for line in said.splitlines()[3:]}
    bytes_ = {name: int(head.replace(",", "")) for name, head in heads.items()}
    assert bytes_["optimized for arenafit"] < bytes_["stock"]
    assert "the host's" in said
    events = operators_of_a_profile(tmp_path / "build", good.read_bytes())
    assert events == [
        (operator.code.label, 0) for operator in load(good.read_bytes()).main.operators
    ]
    bad.write_bytes(b"not a model")
    assert main([str(real_tree), str(bad), *build]) == 2
    assert capfd.readouterr().err.startswith(f"tflm: {bad}: ")


def block(marker: str) -> str:
    """The code that follows a comment in docs/firmware.md."""
    page = (ROOT / "docs" / "firmware.md").read_text(encoding="utf-8")
    _, found, rest = page.partition(f"<!-- {marker}: ")
    assert found
    return rest.split("```")[1].partition("\n")[2]


@pytest.mark.slow
def test_the_firmware_of_the_guide_compiles_in_cmake_with_tflms_own_headers(
    real_tree: Path, tmp_path: Path
):
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    (library,) = find_libraries(real_tree, [None])
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "start_model.cc").write_text(block("firmware"), encoding="utf-8")
    (folder / "CMakeLists.txt").write_text(
        f"""cmake_minimum_required(VERSION 3.13)
project(firmware C CXX)
set(ARENAFIT {ROOT})
add_library(tflm INTERFACE)
target_include_directories(tflm SYSTEM INTERFACE {" ".join(map(str, library.include))})
target_compile_definitions(tflm INTERFACE tflite=tflite_micro)
{block("cmake")}
add_library(firmware STATIC start_model.cc)
target_link_libraries(firmware PRIVATE arenafit)
target_compile_options(firmware PRIVATE -Wall -Wextra -Werror)
""",
        encoding="utf-8",
    )
    built = folder / "build"
    for command in (["cmake", "-S", folder, "-B", built], ["cmake", "--build", built]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (built / "libarenafit.a").is_file()


# --- TFLM's Makefile ------------------------------------------------------------------------

# What TFLM's Makefile does with EXTERNAL_DIR, and a list of what it would compile.
MAKEFILE = """\
recursive_find = $(wildcard $(1)$(2)) $(foreach dir,$(wildcard $(1)*),$(call recursive_find,$(dir)/,$(2)))
INCLUDES := -I.
MICROLITE_CC_SRCS := core.cc
MICROLITE_CC_KERNEL_SRCS := kernel.cc
include $(call recursive_find,$(EXTERNAL_DIR)/,Makefile_internal.inc)
all:
	@echo core $(MICROLITE_CC_SRCS)
	@echo kernels $(MICROLITE_CC_KERNEL_SRCS)
	@echo include $(INCLUDES)
"""


def test_tflms_makefile_gets_each_source_once_by_its_absolute_path(tmp_path: Path):
    (tmp_path / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    command = ["make", "-s", "-C", str(tmp_path), f"EXTERNAL_DIR={ROOT / 'tflm_patches'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    core, kernels, include = (line.split()[1:] for line in done.stdout.splitlines())
    sources = [
        str(path)
        for pattern in ("core/src/*.c", "tflm/src/*.cc")
        for path in (ROOT / "kernels").glob(pattern)
    ]
    assert sorted([*core, *kernels]) == sorted(["core.cc", "kernel.cc", *sources])
    assert {Path(path).name for path in core} >= {"plan.c", "memory_planner.cc"}
    assert "max_pool.c" in {Path(path).name for path in kernels}
    assert include[1:] == [f"-I{ROOT}/kernels/{part}/include" for part in ("core", "tflm")]
    lost = tmp_path / "tflm_patches"
    lost.mkdir()
    (lost / "Makefile_internal.inc").write_text(
        (ROOT / "tflm_patches" / "Makefile_internal.inc").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    done = subprocess.run(
        ["make", "-s", "-C", str(tmp_path), f"EXTERNAL_DIR={lost}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "EXTERNAL_DIR must be tflm_patches inside arenafit" in done.stderr
