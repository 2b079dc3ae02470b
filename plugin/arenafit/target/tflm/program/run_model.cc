// Runs one model in TFLM's interpreter, as firmware would, and prints what job.py reads:
//
//   HEAD bytes of activations and scratch, USED bytes of arena in all
//   EVENT operator N              with a profile, for each operator: its instructions
//   RAN instructions=N stack=N    for each invocation; with a profile, of nothing
//   OUT hex                       the bytes of its graph outputs in a row, in pieces
//   END
//
// and between these lines whatever TFLM has to say.
#include "arenafit/memory_planner.h"
#include "arenafit/register_ops.h"
#include "job.h"
#include "operators.h"  // kOperators, AddOperators(resolver): of the models that will be run
#include "tensorflow/lite/micro/memory_planner/greedy_memory_planner.h"
#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"

// TFLM's target cortex_m_generic leaves the log to its user; others have no such function.
extern "C" void RegisterDebugLogCallback(void (*callback)(const char*)) __attribute__((weak));

namespace arenafit {
namespace tflm {
namespace {

constexpr size_t kBytesPerLine = 64;

void PrintNumber(const char* name, uint64_t value) {
  char text[21];
  char* at = text + sizeof text;
  *--at = '\0';
  do {
    *--at = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  Print(name);
  Print(at);
}

void PrintBytes(const uint8_t* bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    char hex[2 * kBytesPerLine + 1];
    char* at = hex;
    for (size_t i = 0; i < kBytesPerLine && done < count; ++i, ++done) {
      *at++ = "0123456789abcdef"[bytes[done] >> 4];
      *at++ = "0123456789abcdef"[bytes[done] & 15];
    }
    *at = '\0';
    Print("OUT ");
    Print(hex);
    Print("\n");
  }
}

int Fail(const char* what) {
  Print(what);
  Print("\n");
  return 1;
}

bool SetInputs(MicroInterpreter& interpreter, const uint8_t* bytes, size_t size) {
  for (size_t i = 0; i < interpreter.inputs_size(); ++i) {
    TfLiteTensor* tensor = interpreter.input(i);
    if (tensor->bytes > size) {
      return false;
    }
    memcpy(tensor->data.raw, bytes, tensor->bytes);
    bytes += tensor->bytes;
    size -= tensor->bytes;
  }
  return size == 0;
}

// Measures what TFLM tells a profiler of: operators, those that other operators run included in
// these. A library that was built to be silent (BUILD_TYPE=release) tells nothing.
class Profiler : public MicroProfilerInterface {
 public:
  uint32_t BeginEvent(const char* tag) override {
    if (depth_++ == 0) {
      tag_ = tag;
      StartMeasuring();
    }
    return 0;
  }

  void EndEvent(uint32_t) override {
    if (--depth_ == 0) {
      StopMeasuring();
      Print("EVENT ");
      Print(tag_);
      PrintNumber(" ", MeasuredInstructions());
      Print("\n");
    }
  }

 private:
  TF_LITE_REMOVE_VIRTUAL_DELETE

  int depth_ = 0;
  const char* tag_ = nullptr;
};

int Run(const Job& job, uint8_t* base) {
  const Model* model = GetModel(base + job.model);
  MicroMutableOpResolver<kOperators + kOpCount> resolver;
  if (AddOperators(resolver) != kTfLiteOk || RegisterOps(resolver) != kTfLiteOk) {
    return Fail("the operators cannot be added to the resolver");
  }
  GreedyMemoryPlanner greedy;
  MemoryPlanner ours(PlanInModel(model));
  MicroMemoryPlanner* planner = &greedy;
  if (job.planner != 0) {
    planner = &ours;
  }
  MicroAllocator* allocator = MicroAllocator::Create(base + job.arena, job.arena_bytes, planner);
  MicroResourceVariables* variables = nullptr;
  if (job.variables != 0) {
    variables = MicroResourceVariables::Create(allocator, static_cast<int>(job.variables));
  }
  Profiler profiler;
  const bool profile = job.profile != 0;
  MicroInterpreter interpreter(model, resolver, allocator, variables,
                               profile ? &profiler : nullptr);
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    return Fail("AllocateTensors() failed");
  }
  PrintNumber("HEAD ", planner->GetMaximumMemorySize());
  PrintNumber("\nUSED ", interpreter.arena_used_bytes());
  Print("\n");
  for (uint32_t i = 0; i < job.invocations; ++i) {
    if (!SetInputs(interpreter, base + job.inputs + i * job.input_bytes, job.input_bytes)) {
      return Fail("the inputs have another size");
    }
    if (!profile) {
      StartMeasuring();
    }
    const TfLiteStatus status = interpreter.Invoke();
    if (!profile) {
      StopMeasuring();
    }
    if (status != kTfLiteOk) {
      return Fail("Invoke() failed");
    }
    PrintNumber("RAN instructions=", profile ? 0 : MeasuredInstructions());
    PrintNumber(" stack=", profile ? 0 : MeasuredStack());
    Print("\n");
    for (size_t k = 0; k < interpreter.outputs_size(); ++k) {
      const TfLiteTensor* tensor = interpreter.output(k);
      PrintBytes(reinterpret_cast<const uint8_t*>(tensor->data.raw), tensor->bytes);
    }
  }
  Print("END\n");
  return 0;
}

}  // namespace
}  // namespace tflm
}  // namespace arenafit

int RunJob(uint8_t* base) {
  const Job* job = reinterpret_cast<const Job*>(base);
  if (job->magic != Job::kMagic) {
    return arenafit::tflm::Fail("there is no job");
  }
  if (RegisterDebugLogCallback != nullptr) {
    RegisterDebugLogCallback(Print);
  }
  return arenafit::tflm::Run(*job, base);
}
