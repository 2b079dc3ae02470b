// The TFLM inside the tflite-micro wheel, reached through the symbols that it exports.
#ifndef ARENAFIT_HOST_WHEEL_H_
#define ARENAFIT_HOST_WHEEL_H_

#include <cstddef>
#include <cstdint>

#include "tensorflow/lite/micro/memory_planner/micro_memory_planner.h"
#include "tensorflow/lite/micro/micro_common.h"
#include "tensorflow/lite/micro/micro_context.h"

namespace arenafit {
namespace host {

using tflite::micro::MicroMemoryPlanner;
using tflite::micro::TfLiteStatus;
using tflite::micro::TfLiteTensor;
using tflite::micro::TFLMRegistration;

// TFLM's objects: handled by pointer alone, as their layouts differ between wheels.
class Allocator;
class Interpreter;
class Resolver;
class ResourceVariables;

// Bytes that hold any wheel's MicroInterpreter, or PythonOpsResolver (about 300 and 14,000).
constexpr size_t kObjectBytes = 64 * 1024;

// The functions of the wheel that are used; all of them are there once Open() has succeeded.
struct Wheel {
  Allocator* (*create_allocator)(uint8_t* arena, size_t bytes, MicroMemoryPlanner* planner);
  size_t (*used_bytes)(const Allocator*);
  ResourceVariables* (*create_variables)(Allocator*, int count);
  void (*construct_resolver)(Resolver*);
  void (*construct_interpreter)(Interpreter*, const void* model, const Resolver&, Allocator*,
                                ResourceVariables*, void* profiler);
  void (*destroy_interpreter)(Interpreter*);
  TfLiteStatus (*allocate_tensors)(Interpreter*);
  TfLiteStatus (*invoke)(Interpreter*);
  TfLiteStatus (*reset)(Interpreter*);
  TfLiteTensor* (*input)(Interpreter*, size_t index);
  TfLiteTensor* (*output)(Interpreter*, size_t index);
};

// Finds the functions in `library` (a handle of dlopen); nullptr, or what is wrong with it.
const char* Open(void* library);

// What Open() found.
const Wheel& TheWheel();

// Adds an operator to a PythonOpsResolver; false, with a message in the log, where it cannot be
// done safely.
bool AddCustom(Resolver* resolver, const char* name, const TFLMRegistration& registration);

}  // namespace host
}  // namespace arenafit

#endif  // ARENAFIT_HOST_WHEEL_H_
