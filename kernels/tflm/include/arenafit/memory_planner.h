// arenafit's memory planner for TFLM.
//
//   arenafit::MemoryPlanner planner(arenafit::PlanInModel(tflite::GetModel(data)));
//   auto* allocator = tflite::MicroAllocator::Create(arena, sizeof arena, &planner);
//   tflite::MicroInterpreter interpreter(model, resolver, allocator);
//
// With a plan that fits, everything is placed as planned, scratch included; the offline offsets
// that the model may have as well (OfflineMemoryAllocation) are superseded. A plan that is not
// sound, or is for other tensors, is an error of AllocateTensors: nothing runs on it.
//
// With no plan, or one made for kernels with less or other scratch, it plans on the device, around
// the model's offline offsets as TFLM does, and never worse than TFLM's greedy planner.
//
// Firmware that wants no planning on the device takes arenafit/offline_memory_planner.h.
#ifndef ARENAFIT_MEMORY_PLANNER_H_
#define ARENAFIT_MEMORY_PLANNER_H_

#include <stddef.h>

#include "arenafit/plan.h"
#include "arenafit/plan_in_model.h"
#include "arenafit/tflm_names.h"
#include "tensorflow/lite/micro/compatibility.h"
#include "tensorflow/lite/micro/memory_planner/micro_memory_planner.h"

namespace arenafit {
namespace tflm {

class MemoryPlanner final : public MicroMemoryPlanner {
 public:
  // Bytes of the arena that each buffer takes while it is planned (TFLM's greedy planner: 36).
  static constexpr size_t kBytesPerBuffer = sizeof(arenafit_request);

  explicit MemoryPlanner(PlanBytes plan = {}) : plan_(plan) {}
  MemoryPlanner(const void* plan, size_t size) : plan_{plan, size} {}
  ~MemoryPlanner() override {}

  // The plan for the next model, where several share one allocator.
  void SetPlan(PlanBytes plan) { plan_ = plan; }

  TfLiteStatus Init(unsigned char* scratch, int size) override;
  TfLiteStatus AddBuffer(int size, int first, int last) override;
  TfLiteStatus AddBuffer(int size, int first, int last, int offline_offset) override;
  size_t GetMaximumMemorySize() override;  // SIZE_MAX where the plan is refused
  int GetBufferCount() override;
  TfLiteStatus GetOffsetForBuffer(int index, int* offset) override;
  bool preserves_all_tensors() const override { return false; }
  void PrintMemoryPlan() override;

 private:
  int32_t Head();

  PlanBytes plan_;
  arenafit_request* requests_ = nullptr;
  unsigned capacity_ = 0;
  unsigned count_ = 0;
  int32_t head_ = -1;  // bytes of arena; -1: not planned yet

  TF_LITE_REMOVE_VIRTUAL_DELETE
};

}  // namespace tflm

using tflm::MemoryPlanner;

}  // namespace arenafit

#endif  // ARENAFIT_MEMORY_PLANNER_H_
