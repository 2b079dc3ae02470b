// Runs one model in a TFLM that the compiler was pointed at, as firmware would.
//
//   run_model MODEL INPUT greedy|arenafit|offline
//
// INPUT holds the bytes of all graph inputs in a row. Standard output gets the bytes of all
// graph outputs of three invocations, before the last of which the interpreter is reset; the
// standard error gets TFLM's log, and last "head H used U". Exit status 1: TFLM refuses the
// model.
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "arenafit/memory_planner.h"
#include "arenafit/offline_memory_planner.h"
#include "arenafit/register_ops.h"
#include "tensorflow/lite/micro/memory_planner/greedy_memory_planner.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

// What a TFLM library asks of its platform.
extern "C" void DebugLog(const char* format, va_list arguments) {
  std::vfprintf(stderr, format, arguments);
}

namespace {

using namespace tflite;  // NOLINT(build/namespaces)

constexpr size_t kArena = 4 << 20;
constexpr int kOperators = 24;

alignas(16) uint8_t arena[kArena];

std::vector<char> Read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool AddOperators(MicroMutableOpResolver<kOperators>& resolver) {
  const TfLiteStatus added[] = {
      resolver.AddAdd(),
      resolver.AddAveragePool2D(),
      resolver.AddConcatenation(),
      resolver.AddConv2D(),
      resolver.AddDepthwiseConv2D(),
      resolver.AddFullyConnected(),
      resolver.AddMaxPool2D(),
      resolver.AddMean(),
      resolver.AddMul(),
      resolver.AddPack(),
      resolver.AddPad(),
      resolver.AddQuantize(),
      resolver.AddRelu(),
      resolver.AddReshape(),
      resolver.AddShape(),
      resolver.AddSoftmax(),
      resolver.AddStridedSlice(),
      resolver.AddTransposeConv(),
      arenafit::RegisterOps(resolver),
  };
  for (const TfLiteStatus status : added) {
    if (status != kTfLiteOk) {
      return false;
    }
  }
  return true;
}

bool Invoke(MicroInterpreter& interpreter, const std::vector<char>& inputs) {
  size_t done = 0;
  for (size_t i = 0; i < interpreter.inputs_size(); ++i) {
    TfLiteTensor* tensor = interpreter.input(i);
    if (done + tensor->bytes > inputs.size()) {
      return false;
    }
    std::memcpy(tensor->data.raw, inputs.data() + done, tensor->bytes);
    done += tensor->bytes;
  }
  if (interpreter.Invoke() != kTfLiteOk) {
    return false;
  }
  for (size_t i = 0; i < interpreter.outputs_size(); ++i) {
    const TfLiteTensor* tensor = interpreter.output(i);
    std::fwrite(tensor->data.raw, 1, tensor->bytes, stdout);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    return 2;
  }
  const std::vector<char> data = Read(argv[1]);
  const std::vector<char> inputs = Read(argv[2]);
  const Model* model = GetModel(data.data());
  MicroMutableOpResolver<kOperators> resolver;
  if (!AddOperators(resolver)) {
    return 2;
  }
  GreedyMemoryPlanner greedy;
  arenafit::MemoryPlanner ours(arenafit::PlanInModel(model));
  arenafit::OfflineMemoryPlanner offline(arenafit::PlanInModel(model));
  MicroMemoryPlanner* planner = &greedy;
  if (std::strcmp(argv[3], "arenafit") == 0) {
    planner = &ours;
  } else if (std::strcmp(argv[3], "offline") == 0) {
    planner = &offline;
  }
  MicroAllocator* allocator = MicroAllocator::Create(arena, kArena, planner);
  MicroInterpreter interpreter(model, resolver, allocator);
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    return 1;
  }
  const size_t head = planner->GetMaximumMemorySize();
  if (!Invoke(interpreter, inputs) || !Invoke(interpreter, inputs) ||
      interpreter.Reset() != kTfLiteOk || !Invoke(interpreter, inputs)) {
    return 1;
  }
  std::fprintf(stderr, "head %zu used %zu\n", head, interpreter.arena_used_bytes());
  return 0;
}
