// The plugin's functions, which arenafit.runtime.plugin calls.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "arenafit/memory_planner.h"
#include "arenafit/offline_memory_planner.h"
#include "arenafit/register_ops.h"
#include "recording_planner.h"
#include "self_test.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "wheel.h"

#define ARENAFIT_HOST extern "C" [[gnu::visibility("default")]]

namespace arenafit {
namespace host {
namespace {

using tflite::micro::kTfLiteError;
using tflite::micro::kTfLiteOk;

// A PythonOpsResolver with the one method of a MicroMutableOpResolver that RegisterOps uses.
class CustomOps {
 public:
  explicit CustomOps(Resolver* resolver) : resolver_(resolver) {}

  TfLiteStatus AddCustom(const char* name, const TFLMRegistration* registration) {
    return host::AddCustom(resolver_, name, *registration) ? kTfLiteOk : kTfLiteError;
  }

 private:
  Resolver* resolver_;
};

bool RegisterAll(Resolver* resolver) {
  CustomOps operators(resolver);
  return RegisterOps(operators) == kTfLiteOk;
}

struct Freed {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<uint8_t, Freed>;

constexpr size_t kAlignment = 64;

// Which planner a run has; with that of the self-test goes its operator.
enum Planner { kSelfTestPlanner = 0, kMemoryPlanner = 1, kOfflineMemoryPlanner = 2 };

Memory Allocate(size_t bytes) {
  const size_t whole = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return Memory(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, whole)));
}

// A model in an interpreter of the wheel's, with a planner of ours.
class Run {
 public:
  // Copies `model`. At `plan` in it is the content of its metadata ARENAFIT_PLAN_METADATA, as
  // PlanInModel finds it: that needs TFLM's own headers.
  bool Start(const uint8_t* model, size_t model_bytes, size_t plan, size_t plan_bytes,
             size_t arena_bytes, int variables, Planner planner) {
    const Wheel& wheel = TheWheel();
    model_ = Copy(model, model_bytes);
    arena_ = Allocate(arena_bytes);
    resolver_ = Allocate(kObjectBytes);
    interpreter_ = Allocate(kObjectBytes);
    if (!model_ || !arena_ || !resolver_ || !interpreter_) {
      MicroPrintf("arenafit: no memory for an arena of %zu bytes", arena_bytes);
      return false;
    }
    uint32_t root = 0;  // where in the file the model's table begins
    if (model_bytes >= sizeof root) {
      std::memcpy(&root, model, sizeof root);
    }
    if (root < sizeof root || root > model_bytes - sizeof root || plan > model_bytes ||
        plan_bytes > model_bytes - plan) {
      MicroPrintf("arenafit: not a model");
      return false;
    }
    auto* resolver = reinterpret_cast<Resolver*>(resolver_.get());
    wheel.construct_resolver(resolver);
    if (!RegisterAll(resolver) || (planner == kSelfTestPlanner &&
                                   !host::AddCustom(resolver, kSelfTest, RegisterSelfTest()))) {
      return false;
    }
    PlanBytes bytes;
    if (plan_bytes > 0) {
      bytes = {model_.get() + plan, plan_bytes};
    }
    planner_.SetPlan(bytes);
    offline_planner_.SetPlan(bytes);
    MicroMemoryPlanner* const planners[] = {&self_test_planner_, &planner_, &offline_planner_};
    recording_.emplace(planners[planner]);
    allocator_ = wheel.create_allocator(arena_.get(), arena_bytes, &*recording_);
    if (allocator_ == nullptr) {
      return false;
    }
    ResourceVariables* resources =
        variables > 0 ? wheel.create_variables(allocator_, variables) : nullptr;
    wheel.construct_interpreter(interpreter(), model_.get() + root, *resolver, allocator_,
                                resources, nullptr);
    constructed_ = true;
    return wheel.allocate_tensors(interpreter()) == kTfLiteOk;
  }

  ~Run() {
    if (constructed_) {
      TheWheel().destroy_interpreter(interpreter());
    }
  }

  Interpreter* interpreter() { return reinterpret_cast<Interpreter*>(interpreter_.get()); }
  const RecordingPlanner& planner() const { return *recording_; }
  size_t used_bytes() const { return TheWheel().used_bytes(allocator_); }

 private:
  static Memory Copy(const uint8_t* data, size_t bytes) {
    Memory copy = Allocate(bytes + 1);
    if (copy && bytes > 0) {
      std::memcpy(copy.get(), data, bytes);
    }
    return copy;
  }

  Memory model_, arena_, resolver_, interpreter_;
  StackingPlanner self_test_planner_;
  MemoryPlanner planner_;
  OfflineMemoryPlanner offline_planner_{PlanBytes()};
  std::optional<RecordingPlanner> recording_;
  Allocator* allocator_ = nullptr;
  bool constructed_ = false;
};

}  // namespace
}  // namespace host
}  // namespace arenafit

using arenafit::host::PlannedBuffer;
using arenafit::host::Resolver;
using arenafit::host::Run;
using arenafit::host::TheWheel;

// ---- registerers: what the wheel's Interpreter calls by name ---------------------------------

ARENAFIT_HOST bool arenafit_register_ops(Resolver* resolver) {
  return arenafit::host::RegisterAll(resolver);
}

ARENAFIT_HOST bool arenafit_register_self_test(Resolver* resolver) {
  return arenafit::host::AddCustom(resolver, arenafit::host::kSelfTest,
                                   arenafit::host::RegisterSelfTest());
}

// ---- whole runs --------------------------------------------------------------------------------

// Must come first, with dlopen's handle of the wheel's library; nullptr, or what is wrong.
ARENAFIT_HOST const char* arenafit_host_open(void* wheel) { return arenafit::host::Open(wheel); }

// `planner` is a host::Planner. nullptr where TFLM refuses the model; it says why in the log.
ARENAFIT_HOST Run* arenafit_host_start(const uint8_t* model, size_t model_bytes, size_t plan,
                                       size_t plan_bytes, size_t arena_bytes, int variables,
                                       int planner) {
  auto run = std::make_unique<Run>();
  const bool started = run->Start(model, model_bytes, plan, plan_bytes, arena_bytes, variables,
                                  static_cast<arenafit::host::Planner>(planner));
  return started ? run.release() : nullptr;
}

ARENAFIT_HOST void arenafit_host_end(Run* run) { delete run; }

ARENAFIT_HOST size_t arenafit_host_head(const Run* run) { return run->planner().head(); }

ARENAFIT_HOST size_t arenafit_host_used(const Run* run) { return run->used_bytes(); }

ARENAFIT_HOST int arenafit_host_buffers(const Run* run) {
  return static_cast<int>(run->planner().buffers().size());
}

ARENAFIT_HOST PlannedBuffer arenafit_host_buffer(const Run* run, int index) {
  return run->planner().buffers().at(static_cast<size_t>(index));
}

// Copies into graph input `index`; false where it has another size.
ARENAFIT_HOST bool arenafit_host_set_input(Run* run, size_t index, const void* data, size_t bytes) {
  const auto* tensor = TheWheel().input(run->interpreter(), index);
  if (tensor == nullptr || tensor->bytes != bytes) {
    return false;
  }
  if (bytes > 0) {
    std::memcpy(tensor->data.data, data, bytes);
  }
  return true;
}

ARENAFIT_HOST bool arenafit_host_invoke(Run* run) {
  return TheWheel().invoke(run->interpreter()) == tflite::micro::kTfLiteOk;
}

// As MicroInterpreter::Reset: kernels and variables start afresh.
ARENAFIT_HOST bool arenafit_host_reset(Run* run) {
  return TheWheel().reset(run->interpreter()) == tflite::micro::kTfLiteOk;
}

// Copies out of graph output `index`; false where it has another size.
ARENAFIT_HOST bool arenafit_host_get_output(Run* run, size_t index, void* data, size_t bytes) {
  const auto* tensor = TheWheel().output(run->interpreter(), index);
  if (tensor == nullptr || tensor->bytes != bytes) {
    return false;
  }
  if (bytes > 0) {
    std::memcpy(data, tensor->data.data, bytes);
  }
  return true;
}
